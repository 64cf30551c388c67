"""What a command or a program made, read by other means than it was written by."""

import json
import re
from pathlib import Path

import av
import cv2
import numpy as np
import onnxruntime
from PIL import Image
from safetensors import safe_open


def files_now() -> dict[str, tuple[int, int]]:
    """The files here and below, each with what changes when it is written; of TensorBoard's and of
    a page in the browser the folder only, of what is kept of depth nothing."""
    found = {}
    for path in Path().rglob("*"):
        name = re.sub(r"/events\..*", "", path.as_posix())
        name = next((p.as_posix() for p in path.parents if (p / "page.json").exists()), name)
        if path.is_file() and not name.startswith("cache/"):
            found[name] = (path.stat().st_ino, path.stat().st_mtime_ns)
    return found


def describe(path: Path) -> str:
    """What a file is, read by other means than it was written by."""
    if (path / "page.json").exists():
        catalogue = json.loads((path / "page.json").read_text(encoding="utf-8"))
        styles = [style["name"] for style in catalogue["styles"]]
        assert all((path / style["file"]).is_file() for style in catalogue["styles"])
        return f"page of {', '.join(styles)}"
    if path.suffix in (".mp4", ".mkv", ".webm"):
        with av.open(str(path)) as film:
            shown = list(film.decode(video=0))
        return f"{len(shown)} frames {shown[0].width}x{shown[0].height}"
    if path.suffix == ".tiff":
        pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert pixels is not None
        return f"{pixels.shape[1]}x{pixels.shape[0]} {pixels.dtype}"
    if path.suffix in (".png", ".jpg", ".gif"):
        with Image.open(path) as image:
            image.load()
            count = getattr(image, "n_frames", 1)
            frames = f"{count} frames " if count > 1 else ""
            return f"{frames}{image.width}x{image.height} {image.mode}"
    if path.suffix == ".onnx":
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        fed = session.get_inputs()[0]
        card = json.loads(session.get_modelmeta().custom_metadata_map["fststyle"])
        shape = [64 if isinstance(side, str) else side for side in fed.shape]
        pixels = np.ones(shape, np.uint8 if "uint8" in fed.type else np.float32)
        (output,) = session.run(None, {fed.name: pixels})
        assert np.isfinite(output).all()
        return f"{fed.type} {fed.shape} {card['precision']}".replace("'", "")
    if path.suffix == ".safetensors":
        with safe_open(path, "np") as file:
            card = json.loads(file.metadata()["fststyle"])
            assert all(np.isfinite(file.get_tensor(name)).all() for name in file.keys())  # noqa: SIM118
        return str(card.get("kind", f"step {card.get('step')}"))
    if path.suffix == ".json":
        return " ".join(json.loads(path.read_text()))
    return "" if path.is_file() or path.is_dir() else "missing"
