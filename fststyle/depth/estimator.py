"""Depth networks as functions of arrays, at the sizes that they were trained for; no torch."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from fststyle.config import parse_size
from fststyle.depth.upsampling import upsample_along_edges
from fststyle.images.geometry import size_of_area
from fststyle.images.io import to_uint8
from fststyle.sessions.session import open_session, running

Estimate = Callable[[Image.Image], np.ndarray]
"""A photo's depth, H×W float32 of its proportions at any resolution; larger = farther."""

Estimator = Callable[[np.ndarray], np.ndarray]
"""N×3×H×W float32 RGB in [0,1] to N×1×H×W relative depth, larger = farther."""


class DepthEstimator(NamedTuple):
    """A depth network ready to run; ``name`` is short, for tables."""

    name: str
    estimate: Estimator
    card: dict[str, Any]

    def __call__(
        self, image: Image.Image, *, size: int | None = None, flip: bool = False
    ) -> np.ndarray:
        """H×W float32 depth of the picture, along its edges, as ``estimate_full_size`` has it;
        arguments and errors are those of ``reduced``."""
        return upsample_along_edges(self.reduced(image, size=size, flip=flip), image)

    def reduced(
        self, image: Image.Image, *, size: int | None = None, flip: bool = False
    ) -> np.ndarray:
        """h×w float32 depth of the picture, larger = farther, at the size that the network sees;
        see ``estimate_reduced``.

        Raises ValueError where it is not finite.
        """
        depth = estimate_reduced(self.estimate, image, self.card, size=size, flip=flip)
        if not np.isfinite(depth).all():
            raise ValueError(f"the depth that {self.name} tells is not finite")
        return depth


def onnx_estimator(
    model: Path, provider: str = "auto", threads: int | None = None
) -> tuple[Estimator, dict[str, Any]]:
    """(depth network from an ONNX file, its card); arguments and errors are ``open_session``'s."""
    opened = open_session(model, provider, threads, output="depth", holds="depth network")

    def estimate(image: np.ndarray) -> np.ndarray:
        if opened.uint8:
            image = to_uint8(image).transpose(0, 2, 3, 1)
        with running(model):
            (depth,) = opened.session.run(None, {"content": image})
        return depth

    return estimate, opened.card


def training_size(card: Mapping[str, Any]) -> int:
    """Side of the square that has the area of a depth network's training crops; the shorter side of
    the pictures that a model of transformers takes; 256 where the card says neither."""
    if "shorter_side" in card:
        return int(card["shorter_side"])
    height, width = parse_size(card.get("settings", {}).get("size", "256x256"))
    return round((height * width) ** 0.5)


def estimate_full_size(
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
    return upsample_along_edges(
        estimate_reduced(estimate, image, card, size=size, flip=flip), image
    )


def estimate_reduced(
    estimate: Estimator,
    image: Image.Image,
    card: Mapping[str, Any],
    *,
    size: int | None = None,
    flip: bool = False,
) -> np.ndarray:
    """H×W float32 of the whole picture, at the size the network sees (``seen_size``); ``flip``
    averages with the mirrored picture's."""
    if flip:
        mirrored = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        there = estimate_reduced(estimate, mirrored, card, size=size)[:, ::-1]
        return (estimate_reduced(estimate, image, card, size=size) + there) / 2
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
    return size_of_area((width, height), size or training_size(card))
