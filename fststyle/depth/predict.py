"""``fststyle depth predict``: depth maps of pictures; no torch here."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from fststyle.config import DepthPredictConfig, parse_size
from fststyle.images.io import read_image, sheet, to_uint8, write_image
from fststyle.inference.inputs import plan
from fststyle.inference.session import open_session, running
from fststyle.utils.failures import Failures, writable_jobs
from fststyle.utils.files import replacing
from fststyle.utils.signals import watch_signals

Estimator = Callable[[np.ndarray], np.ndarray]
"""N×3×H×W float32 RGB in [0,1] to N×1×H×W relative depth, larger = farther."""

_COLOURS = np.array(
    [(252, 253, 191), (254, 159, 109), (222, 73, 104), (140, 41, 129), (59, 15, 112), (0, 0, 4)]
)
"""From near to far: light to dark, so that it reads without colour, too."""


def onnx_estimator(model: Path) -> tuple[Estimator, dict[str, Any]]:
    """(depth network from an ONNX file, its card); errors are ``open_session``'s."""
    opened = open_session(model, "auto", None, output="depth", holds="depth network")

    def estimate(image: np.ndarray) -> np.ndarray:
        if opened.uint8:
            image = to_uint8(image).transpose(0, 2, 3, 1)
        with running(model):
            (depth,) = opened.session.run(None, {"content": image})
        return depth

    return estimate, opened.card


def predict(config: DepthPredictConfig, estimate: Estimator, card: Mapping[str, Any]) -> int:
    """Depth maps of every input; returns 0, 1 where some could not be made, 130 when stopped.

    ``OUTPUT/depth/NAME.png`` holds 16-bit depth, 1 nearest to 65534 farthest, which ``--data``
    reads back; ``OUTPUT/colour/NAME.jpg`` shows photo and depth, near light and far dark.
    """
    failures = Failures()
    jobs = [
        (photo, depth, config.output / "colour" / depth.relative_to(config.output / "depth"))
        for photo, depth in plan(config.inputs, config.output / "depth", failures, (".png",))
    ]
    jobs = [(photo, depth, shown.with_suffix(".jpg")) for photo, depth, shown in jobs]
    planned, done = len(jobs), 0
    jobs = writable_jobs(jobs, lambda job: job[1:], config.overwrite, failures)
    with watch_signals() as stop:
        for photo, target, shown in tqdm(jobs, unit="picture"):
            if stop.requested or failures.disk_full:
                break
            with failures.noting(photo):
                image = read_image(photo)
                depth = estimate_depth(estimate, image, card, size=config.size, flip=config.flip)
                if not np.isfinite(depth).all():
                    raise ValueError("its depth is not finite")
                both = sheet([[image, coloured(depth)]], height=min(480, image.height))
                write_depth_png(depth, target)
                write_image(both, shown)
                done += 1
    status = failures.report()
    print(f"{done} of {planned} depth maps in {config.output}")
    return 130 if stop.requested else status


def training_size(card: Mapping[str, Any]) -> int:
    """Side of the square that has the area of a depth network's training crops; the shorter side of
    the pictures that a model of transformers takes; 256 where the card says neither."""
    if "shorter_side" in card:
        return int(card["shorter_side"])
    height, width = parse_size(card.get("settings", {}).get("size", "256x256"))
    return round((height * width) ** 0.5)


def estimate_depth(
    estimate: Estimator,
    image: Image.Image,
    card: Mapping[str, Any],
    *,
    size: int | None = None,
    flip: bool = False,
) -> np.ndarray:
    """H×W float32 of a picture's own size; larger = farther.

    Args:
        card: the network's, which says the size at which it sees pictures.
        size: another one, as ``estimate_reduced`` has it.
        flip: average with the mirrored picture's depth.
    """
    depth = estimate_reduced(estimate, image, card, size=size)
    if flip:
        mirrored = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        depth = (depth + estimate_reduced(estimate, mirrored, card, size=size)[:, ::-1]) / 2
    return np.asarray(Image.fromarray(depth).resize(image.size, Image.Resampling.BICUBIC))


def estimate_reduced(
    estimate: Estimator, image: Image.Image, card: Mapping[str, Any], *, size: int | None = None
) -> np.ndarray:
    """H×W float32 of the whole picture, at the size the network sees (``seen_size``)."""
    reduced = image.resize(
        seen_size(card, *image.size, size=size), Image.Resampling.BICUBIC, reducing_gap=3.0
    )
    content = np.asarray(reduced, np.float32).transpose(2, 0, 1)[None] / 255
    return estimate(content)[0, 0].astype(np.float32)


def seen_size(
    card: Mapping[str, Any], width: float, height: float, *, size: int | None = None
) -> tuple[int, int]:
    """(width, height) at which a network is given a picture: about the area of a square of ``size``
    pixels, ``training_size`` by default, with sides that are multiples of 16, never more than the
    picture has. Models of transformers, whose patches are their own matter, are given the shorter
    side that they ask for.

    At other sizes than it was trained on, a network takes in too little of the scene, or too
    little detail.
    """
    if size is None and "shorter_side" in card:
        scale = min(1.0, training_size(card) / min(width, height))
        return max(1, round(width * scale)), max(1, round(height * scale))
    scale = min(1.0, (size or training_size(card)) / (width * height) ** 0.5)
    across, down = (max(32, round(side * scale / 16) * 16) for side in (width, height))
    return across, down


def write_depth_png(depth: np.ndarray, path: Path) -> None:
    """16-bit greyscale, 1 nearest to 65534 farthest: 0 and 65535 mean unknown elsewhere."""
    values = (1 + _spread(depth) * 65533 + 0.5).astype(np.uint16)
    with replacing(path) as beside:
        Image.fromarray(values).save(beside, format="PNG")


def coloured(depth: np.ndarray) -> Image.Image:
    """Near light, far dark; ``depth`` is H×W."""
    return coloured_together([depth])[0]


def coloured_together(depths: Sequence[np.ndarray]) -> list[Image.Image]:
    """Several maps in the scale of colours that the first fills."""
    low, high = float(depths[0].min()), float(depths[0].max())
    return [_colour((depth - low) / max(high - low, 1e-12)) for depth in depths]


def _colour(place: np.ndarray) -> Image.Image:
    place = place * (len(_COLOURS) - 1)
    channels = [np.interp(place, range(len(_COLOURS)), _COLOURS[:, c]) for c in range(3)]
    return Image.fromarray(to_uint8(np.stack(channels, -1) / 255))


def _spread(depth: np.ndarray) -> np.ndarray:
    """The map's range to [0,1]."""
    low, high = float(depth.min()), float(depth.max())
    return (depth - low) / max(high - low, 1e-12)
