"""Every command in the README, as it stands there, on small files of the names it uses."""

import glob
import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import av
import cv2
import h5py
import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from fststyle.__main__ import COMMANDS, main
from fststyle.benchmarks import depth as benchmark_depth
from fststyle.checkpoints.depth import save_depth
from fststyle.checkpoints.files import save_tensors
from fststyle.checkpoints.pytorch_examples import _NAMES
from fststyle.checkpoints.style import save_transform
from fststyle.data import demo
from fststyle.networks.hourglass import HourglassDepth
from fststyle.networks.transform import TransformNet
from fststyle.networks.vgg import BLOCKS, CONVS, TORCHVISION_INDEX
from fststyle.utils.pretrained import shipped_styles
from tests.checkpoints.test_convert import as_torch7, published
from tests.checkpoints.torch7_writer import write_torch7
from tests.conftest import ROOT, picture, write_clip

README = (ROOT / "README.md").read_text()


def blocks() -> list[str]:
    """The fenced blocks, and every command in the text as one of its own."""
    fenced = re.findall(r"^```\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    inline = re.findall(r"`((?:python3?|sh|make|pip|torchrun|tensorboard) [^`]*)`", README)
    return [*fenced, *dict.fromkeys(inline)]


def commands(block: str) -> list[str]:
    """Without comments."""
    lines = block.replace("\\\n", " ").replace(".venv/bin/", "").splitlines()
    return [shlex.join(words) for line in lines if (words := shlex.split(line, comments=True))]


def is_ours(command: str) -> bool:
    return bool(re.match(r"python (-m fststyle|train.py|export.py|infer.py) ", command))


OURS = [block for block in blocks() if any(map(is_ours, commands(block)))]
SMALL = {
    "train": "--steps 1 --image-size 64 --width 4 --batch-size 1 --style-size 48 --workers 0"
    " --vgg-weights narrow.safetensors --depth-cache cache --device cpu",
    "infer": "--provider cpu",
    "export": "--overwrite",
    "depth convert": "--overwrite",
    "publish": "--output styles",
    "optimize": "--steps 1 --size 40 --style-size 48 --vgg-weights narrow.safetensors --device cpu",
    "evaluate": "--size 64 --style-size 48 --style painting.jpg --vgg-weights narrow.safetensors",
    "compare": "--height 48 --stylize-height 48",
    "loss train": "--widths 4 6 8 10 --image-size 64 --pictures 2 --samples 500"
    " --vgg-weights narrow.safetensors",
    "depth train": "--size 32x48 --steps 1 --batch-size 2 --pairs 100 --distance 10 --workers 0"
    " --vgg-weights vgg.safetensors --device cpu",
    "depth eval": "--size 64x96 --pairs 100 --vgg-weights vgg.safetensors --device cpu",
    "bench train": "--image-size 32 --batch-size 1 --width 4 --repeats 1"
    " --vgg-weights narrow.safetensors",
    "bench infer": "--width 4 --size 64x48 --repeats 1 --provider cpu",
    "bench video": "--width 4 --provider cpu",
    "bench depth": "--image-size 48 --batch-size 1 --repeats 1 --vgg-weights vgg.safetensors",
    "bench optimize": "--size 48x48 --steps 10 --vgg-weights narrow.safetensors",
}
"""What makes a command's work small; options given later count."""
ELSEWHERE = {
    "camera:0": "test_live.py",
    "rtsp:": "test_live.py",
    "transformers:": "test_transformers_depth.py",
    "--resume": "test_train_command.py",
    "bench robustness": "test_robustness.py",
}
"""What here is no camera, no stream, no network connection, no run and no time for: only parsed."""


ALIKE = "72x64 RGB"  # the photos' size
RUN = {
    "runs/my_style/state.safetensors": "training_state",
    "runs/my_style/my_style.safetensors": "transform",
    "runs/my_style/validation.png": "530x332 RGB",
    "runs/my_style/tensorboard": "",
}
TRAINED = r"\nruns/my_style/my_style.safetensors: 1 steps; content \S+, style \S+, depth \S+"
DEMO = {
    "demo/style.png": "640x640 RGB",
    "demo/photos/scene_00.png": "384x288 RGB",
    "demo/photos/coffee.png": "600x400 RGB",
    "demo/photos/astronaut.png": "512x512 RGB",
    "demo/photos/motorcycle_left.png": "640x432 RGB",
    "demo/photos/rocket.png": "640x427 RGB",
    "demo/photos/chelsea.png": "451x300 RGB",
}
FLOATS, BYTES = "tensor(float) [batch, 3, height, width]", "tensor(uint8) [batch, height, width, 3]"
RECORD = "style settings precision versions depth_network loss_network photo levels seconds"
AGREES = r"x: .* MB; beside torch:\nONNX Runtime: largest difference .*, PSNR \S+ dB"


def exported_as(kind: str) -> dict[str, str]:
    return {"runs/my_style/my_style.onnx": kind}


MADE: list[tuple[str, dict[str, str], str]] = [
    ("great_wave photo.jpg", {"wave.jpg": ALIKE}, "1 of 1 stylized into wave.jpg"),
    ("fststyle demo demo", DEMO, ""),
    ("--output gallery.jpg", {"gallery.jpg": "568x204 RGB"}, "gallery.jpg"),
    ("--output live.jpg", {"live.jpg": "488x204 RGB"}, "live.jpg"),
    (r"train.py --style .*(my_style|128|mine.safetensors)$", RUN, TRAINED),
    ("--stability-weight", RUN, TRAINED + r", stability \S+"),
    (r"export.py runs\S+$", exported_as(f"{FLOATS} fp32"), AGREES),
    (r"export.py runs\S+( --overwrite)? --uint8$", exported_as(f"{BYTES} fp32"), AGREES),
    (r"export.py runs\S+( --overwrite)? --fp16", exported_as(f"{FLOATS} fp16"), AGREES),
    ("--quantize int8", exported_as(f"{BYTES} int8"), AGREES),
    ("--static", exported_as("tensor(float) [1, 3, 48, 64] fp32"), AGREES),
    ("export.py candy.pth", {"candy.onnx": f"{FLOATS} fp32"}, AGREES),
    ("my_style.onnx photo.jpg --output", {"out/photo.jpg": ALIKE}, "1 of 1 stylized into out"),
    ("compare runs/my_style", {"sheet.png": "324x92 RGB"}, "sheet.png"),
    ("compare runs/a", {"sheet.png": "386x92 RGB"}, "sheet.png"),
    (
        "evaluate .* --second-depth",
        {
            "figures.json": "photos size depth_networks paintings as_steps passed_over",
            "figures.png": "1192x564 RGB",
        },
        r"2 photos, shorter side 64 px; mean \[95 % confidence interval\]",
    ),
    ("loss train", {"mine.safetensors": "loss_network"}, "style relu1_2, cosine of the gradients"),
    (
        "--max-size 1920",
        {
            f"out/{name}": ALIKE
            for name in ("photo.jpg", *(f"{a}{i}.png" for a in ("folder", "more") for i in (0, 1)))
        },
        "5 of 5 stylized into out",
    ),
    ("--output mild.jpg", {"mild.jpg": ALIKE}, "1 of 1 stylized into mild.jpg"),
    (
        "fststyle publish",
        {"styles/my_style.onnx": f"{BYTES} fp16", "styles/my_style.safetensors": "transform"},
        "styles/my_style.onnx: 0.1 MB",
    ),
    ("the_scream clip", {"film.mp4": "3 frames 64x48"}, "film.mp4: 3 frames"),
    ("--crossfade", {"fade.mp4": "3 frames 64x48"}, "fade.mp4: 3 frames"),
    (
        "the_scream runs.* --output out",
        {f"out/{style}/clip.mp4": "3 frames 64x48" for style in ("the_scream", "my_style")},
        "1 of 1 stylized into out",
    ),
    ("camera:0|rtsp:|--help|--resume|transformers:|bench robustness", {}, "usage: fststyle "),
    ("--output moving.gif", {"moving.gif": "3 frames 64x48 P"}, "moving.gif: 3 frames"),
    (
        "--frames --output",
        {f"out/clip/00000{number}.png": "64x48 RGB" for number in (1, 2, 3)},
        "out/clip: 3 frames",
    ),
    ("udnie frames/", {"film.mp4": "2 frames 72x64"}, "film.mp4: 2 frames"),
    ("evaluate .* --videos", {}, r"\| a \| painting \| 0\.\d+ \|"),
    (r"--output result.png", {"result.png": "40x36 RGB"}, ""),
    ("--output other.png", {"other.png": "40x36 RGB"}, "other.png: 40×36"),
    ("--output large.tiff", {"large.tiff": "40x36 uint16"}, ""),
    (
        "optimize photos/",
        {f"pictures/{number}.jpg": "40x36 RGB" for number in range(8)}
        | {f"pictures/{number}.jpg.json": RECORD for number in range(8)},
        "",
    ),
    ("compare pictures_plain", {"sheet.png": "260x484 RGB"}, "sheet.png"),
    (
        "evaluate runs/my_style",
        {"figures.json": "photos size depth_networks paintings as_steps passed_over"},
        "8 photos",
    ),
    (
        "depth predict .* --output out",
        {f"out/depth/{name}.png": "72x64 I;16" for name in ("photo", "folder0", "folder1")}
        | {f"out/colour/{name}.jpg": "168x80 RGB" for name in ("photo", "folder0", "folder1")},
        "3 of 3 depth maps in out",
    ),
    (
        r"depth predict .*hourglass\.(safetensors|onnx)",
        {"depth/depth/photo.png": "72x64 I;16", "depth/colour/photo.jpg": "168x80 RGB"},
        "1 of 1 depth maps in depth",
    ),
    ("export.py checkpoints", {"hourglass.onnx": f"{FLOATS} fp32"}, AGREES),
    (
        "depth train --name mine",
        {
            "runs/mine/state.safetensors": "training_state",
            "runs/mine/mine.safetensors": "vgg_head",
            "runs/mine/tensorboard": "",
        },
        "runs/mine/mine.safetensors: 1 steps; accuracy rooms 0",
    ),
    (
        "depth train --name tuned",
        {
            "runs/tuned/state.safetensors": "training_state",
            "runs/tuned/tuned.safetensors": "hourglass",
            "runs/tuned/tensorboard": "",
        },
        "runs/tuned/tuned.safetensors: 1 steps",
    ),
    (
        "depth eval",
        {
            "figures.json": "size pairs min_gap distance pictures passed_over results",
            "figures.png": "680x1548 RGB",
        },
        r"\| diw \(1\) \| constant \| 0.000 \| 0.693",
    ),
    ("depth convert", {"hourglass.safetensors": "hourglass"}, "hourglass.safetensors"),
    ("--list$", {}, "starry_night"),
    ("--list great_wave", {}, "Katsushika Hokusai"),
    ("bench train", {}, "photos/s|plain"),
    ("bench infer", {}, "64x48"),
    ("bench video", {}, r"whole to slowest stage \S+;"),
    ("bench depth", {}, "hourglass"),
    ("bench optimize", {}, "loss"),
]
"""Of each command, found by what stands in it alone: the files that it makes, as ``describe`` sees
them, and what it prints."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, deep_vgg: Path) -> Path:
    """A folder with everything that the README's commands name."""
    folder = tmp_path_factory.mktemp("readme")
    for name in ("photos", "folder", "more", "unseen", "paintings", "frames", "depths"):
        (folder / name).mkdir()
    for number in range(8):
        picture(number, 72, 64).save(folder / "photos" / f"{number}.jpg")
    for name in ("folder", "more", "unseen", "paintings", "frames"):
        for number in range(2):
            picture(number, 72, 64).save(folder / name / f"{name}{number}.png")
    for number in range(8):
        depth = picture(number, 72, 64).convert("L").resize((36, 32))
        depth.save(folder / "depths" / f"{number}.png")
    picture(9, 72, 64).save(folder / "photo.jpg")
    picture(99, 80, 64).save(folder / "painting.jpg")
    write_clip(folder / "clip.mp4", [0, 40, 80])
    shutil.copy(deep_vgg, folder / "vgg.safetensors")
    save_file(_narrow_vgg(), folder / "narrow.safetensors")
    _write_networks(folder)
    _write_depth_data(folder)
    return folder


def _narrow_vgg() -> dict[str, torch.Tensor]:
    """Random weights for VGG-19's layers to relu4_4, with few channels."""
    random = torch.Generator().manual_seed(0)
    channels, state = 3, dict[str, torch.Tensor]()
    for name in CONVS[: CONVS.index("4_4") + 1]:
        width = BLOCKS[int(name[0]) - 1][0] // 8
        weight = torch.randn(width, channels, 3, 3, generator=random)
        key = f"features.{TORCHVISION_INDEX[name]}"
        state[f"{key}.weight"] = weight * (2 / (9 * channels)) ** 0.5
        state[f"{key}.bias"] = torch.zeros(width)
        channels = width
    return state


def _write_networks(folder: Path) -> None:
    torch.manual_seed(0)
    network = TransformNet(4).eval()
    card = {"style": [{"name": "painting.jpg"}], "settings": {"method": "plain"}}
    for name in ("runs/my_style/my_style", "runs/a/a", "runs/b/b"):
        (folder / name).parent.mkdir(parents=True)
        save_transform(folder / f"{name}.safetensors", network, card)
    for name in ("runs/my_style/my_style", "runs/b/b"):
        shutil.copy(shipped_styles()["starry_night_live"], folder / f"{name}.onnx")
    old = {old: torch.zeros_like(network.state_dict()[ours]) for ours, old in _NAMES.items()}
    torch.save(old, folder / "candy.pth")
    (folder / "checkpoints").mkdir()
    for name in ("styles", "depth"):
        (folder / "checkpoints" / name).mkdir()
    live = "checkpoints/styles/starry_night_live.onnx"
    shutil.copy(ROOT / live, folder / live)
    # Of the width of the one that ships.
    save_transform(folder / "checkpoints/styles/starry_night.safetensors", TransformNet(32), card)
    hourglass = HourglassDepth().eval()
    for name in ("checkpoints/depth/hourglass", "hourglass", "runs/mine/mine"):
        (folder / name).parent.mkdir(exist_ok=True)
        save_depth(folder / f"{name}.safetensors", hourglass, {})


def _write_depth_data(folder: Path) -> None:
    with h5py.File(folder / "nyu_depth_v2_labeled.mat", "w") as file:
        random = np.random.default_rng(0)
        file["images"] = random.integers(0, 256, (4, 3, 64, 48), np.uint8)
        file["depths"] = random.uniform(1, 9, (4, 64, 48)).astype(np.float32)
    for kind in ("image", "depth"):
        (folder / "kitti" / kind).mkdir(parents=True)
        picture(3, 72, 64).convert("L" if kind == "depth" else "RGB").save(
            folder / "kitti" / kind / "a.png"
        )
    (folder / "diw").mkdir()
    picture(4, 72, 64).save(folder / "diw" / "p.png")
    (folder / "diw" / "DIW_test.csv").write_text("p.png\n1,2,30,40,<\n")


def arguments(command: str) -> list[str]:
    """Those of ``main``, with globs as a shell expands them."""
    words = shlex.split(command)
    words = words[next(i for i, word in enumerate(words) if "python" in word) + 1 :]
    words = words[2:] if words[0] == "-m" else [words[0].removesuffix(".py"), *words[1:]]
    found = []
    for word in words:
        found += sorted(glob.glob(word)) if "*" in word and words[0] != "infer" else [word]
    return found


@pytest.mark.parametrize("block", OURS, ids=lambda block: commands(block)[0][:60])
def test_commands_run(
    block: str,
    files: Path,
    traced_once: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "here"
    shutil.copytree(files, folder, copy_function=os.link)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("FSTSTYLE_ASSETS", "")
    monkeypatch.setattr(demo, "SCENES", 1)
    monkeypatch.setattr(benchmark_depth, "SAMPLED", (1, 32, 48))
    for command in filter(is_ours, commands(block)):
        prepare(command)
        for path in made_by(command)[0]:  # a block's lines may be alternatives to one another
            Path(path).unlink(missing_ok=True) if not Path(path).is_dir() else shutil.rmtree(path)
        before, _ = files_now(), capsys.readouterr()
        words = arguments(command.replace("1200", "2").replace("1280x720", "64x48"))
        name = next(n for n in (" ".join(words[:2]), words[0]) if n in _names())
        if any(sign in command for sign in ELSEWHERE) or "--help" in words:
            words.append("--help")
        elif "--list" not in words:
            words += shlex.split(SMALL.get(name, ""))
        torch.manual_seed(0)  # that benchmarks are of networks that others have traced
        try:
            status = main(words)
        except SystemExit as exit:
            status = int(exit.code or 0)
        printed = capsys.readouterr()
        assert status == 0, (command, printed.err)
        now, (expected, said) = files_now(), made_by(command)
        made = {path: describe(Path(path)) for path in now if now[path] != before.get(path)}
        assert made == expected, command
        assert re.search(said, printed.out), (command, printed.out)


def made_by(command: str) -> tuple[dict[str, str], str]:
    """What MADE says of ``command``."""
    found = [(made, said) for part, made, said in MADE if re.search(part, command)]
    assert len(found) == 1, f"MADE has {len(found)} entries for {command}"
    return found[0]


def files_now() -> dict[str, tuple[int, int]]:
    """The files here and below, each with what changes when it is written; of TensorBoard's the
    folder only, of what is kept of depth nothing."""
    found = {}
    for path in Path().rglob("*"):
        name = re.sub(r"/events\..*", "", path.as_posix())
        if path.is_file() and not name.startswith("cache/"):
            found[name] = (path.stat().st_ino, path.stat().st_mtime_ns)
    return found


def describe(path: Path) -> str:
    """What a file is, read by other means than it was written by."""
    if path.suffix in (".mp4", ".mkv"):
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


def prepare(command: str) -> None:
    """What a command needs of others that stand elsewhere in the README."""
    if "mine.safetensors" in command and "--loss-network" in command:
        save_tensors(Path("mine.safetensors"), _narrow_vgg(), {"kind": "loss_network"})
    if "model.t7" in command:
        write_torch7(Path("model.t7"), as_torch7(published()))
    if "pictures" in command and "--record" not in command:
        optimized = shlex.split(
            f"optimize photos/ --style painting.jpg --record {SMALL['optimize']}"
        )
        for name in ("pictures", "pictures_plain", "pictures_combined"):
            if name in command:
                main([*optimized, "--method", "plain", "--output", name])


def _names() -> list[str]:
    return [
        f"{name} {below}" if below else name
        for name, command in COMMANDS.items()
        for below in (command if isinstance(command, dict) else ("",))
    ]


def test_the_other_commands_are_known() -> None:
    others = [c for block in blocks() for c in commands(block) if not is_ours(c)]
    in_ci = {"python3 -m venv .venv", "python -m pytest"}  # what make test does
    for command in others:
        program, *rest = shlex.split(command)
        if program == "make":
            done = subprocess.run(["make", "-n", *rest], cwd=ROOT, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
        elif program == "sh":
            subprocess.run(["sh", "-n", *rest], cwd=ROOT, check=True)
        elif program.endswith("pip"):
            extras = re.findall(r"\[(\w+)\]", command)
            project = (ROOT / "pyproject.toml").read_text()
            assert all(f"\n{extra} = [" in project for extra in extras)
        else:
            assert command in in_ci or program in ("torchrun", "tensorboard"), command
