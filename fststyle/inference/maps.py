"""Weight maps of pictures and of the frames of videos: from depth, from files, from masks."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from fststyle.config.infer import MapControls
from fststyle.depth.estimator import DepthEstimator, onnx_estimator
from fststyle.depth.steady import SteadyDepth, SteadyRange
from fststyle.depth.upsampling import upsample_along_edges
from fststyle.inference.map_files import MapFilm, Nearness, shades_of, still
from fststyle.utils.pretrained import CHECKPOINTS

if TYPE_CHECKING:
    from fststyle.inference.video.timeline import Moment

REDUCTION = 4
"""Pixels of a picture to one of its map: networks take maps at their smallest maps' size."""
EVERY = 3
"""Frames of a video to one whose depth is told anew; those between follow the camera."""
UNSURE = (0.25, 0.8)
"""What lies between far and near, of the range of a picture's depths."""


class WeightMaps:
    """Weight maps of one picture, or of one video's frames in their order: ``near`` where they are
    near, ``far`` where they are far, ``near`` where a mask is white.

    Args:
        controls: what is asked for.
        name: of the picture or video, by which it has its maps in folders; below the folder that
            was searched.
        film: whether it is a video.
        shades, mask: in place of what ``controls`` name as such, for one picture.
        reduction: pixels of a picture to one of its map.
        provider, threads: of the network that tells depth, as ``open_session`` has them.

    Raises FileNotFoundError or ValueError where a map is missing or cannot be read.
    """

    def __init__(
        self,
        controls: MapControls,
        name: Path = Path("picture"),
        *,
        film: bool = False,
        shades: np.ndarray | None = None,
        mask: np.ndarray | None = None,
        reduction: int = REDUCTION,
        provider: str = "auto",
        threads: int | None = None,
    ) -> None:
        self._controls, self._reduction = controls, reduction
        self._near: Nearness | None = None
        source = controls.weight_map or ("depth" if DEPTH_NETWORK.is_file() else "none")
        if shades is not None:
            self._near = still(shades, "weight_map")
        elif source == "depth":
            network = depth_network(provider, threads)
            self._near = SteadyNearness(network) if film else DepthNearness(network)
        elif source != "none":
            self._near = shades_of(Path(source), "--weight-map", name, film=film)
        self._mask = None
        if mask is not None:
            self._mask = still(mask, "mask")
        elif controls.mask is not None:
            self._mask = shades_of(Path(controls.mask), "--mask", name, film=film)

    def __call__(self, image: Image.Image, moment: "Moment | None" = None) -> np.ndarray:
        """h×w float32 weights in [0,1] of the next picture, which a video shows at ``moment``, by
        which films of maps go; where that is not known, they go by how often they are asked. Raises
        as the class does.
        """
        image = image.convert("RGB")
        width, height = (-(-side // self._reduction) for side in image.size)
        near = np.zeros((height, width), np.float32)
        if self._near is not None:
            near = _resized(self._near(image, moment), (width, height))
            if self._controls.focus is not None:
                near = in_focus(near, self._controls.focus)
            if isinstance(self._near, DepthNearness | SteadyNearness):
                near = decided(near)
        if self._mask is not None:
            near = np.maximum(near, _resized(self._mask(image, moment), (width, height)))
        far = self._controls.far
        return np.asarray(far + (self._controls.near - far) * near, np.float32)

    @property
    def failures(self) -> list[str]:
        """Why less came of films of maps so far than there is, a line for each."""
        films = [film for film in (self._near, self._mask) if isinstance(film, MapFilm)]
        return [film.failure for film in films if film.failure]


def check_map_sources(controls: MapControls) -> None:
    """Raise FileNotFoundError where nothing is there under the names of map and mask, for all
    pictures at once."""
    for option, name in (("--weight-map", controls.weight_map), ("--mask", controls.mask)):
        if name not in (None, "depth", "none") and not Path(name).exists():
            raise FileNotFoundError(f"{option} {name}: no such picture, film or folder")


def in_focus(near: np.ndarray, focus: float) -> np.ndarray:
    """1 where depth (0 near, 1 far) is ``focus``, falling evenly to 0 at what lies farthest from it
    in either direction."""
    away = np.abs(1 - near - focus) / max(focus, 1 - focus)
    focused: np.ndarray = 1 - away
    return focused


def decided(near: np.ndarray) -> np.ndarray:
    """Nearness by depth with its ends drawn apart: 0 below ``UNSURE``, 1 above, between them a
    smooth step. A network tells a sky's corners nearer than its middle, and they are not to look
    half near."""
    low, high = UNSURE
    part = ((near - low) / (high - low)).clip(0, 1)
    step: np.ndarray = part * part * (3 - 2 * part)
    return step


class DepthNearness:
    """How near a photo's pixels are, by ``estimator``."""

    def __init__(self, estimator: DepthEstimator) -> None:
        self._estimator = estimator

    def __call__(self, image: Image.Image, moment: "Moment | None" = None) -> np.ndarray:
        """As ``Nearness``, at a quarter of the picture's size, along its edges."""
        return _along_edges(SteadyRange()(self._estimator.reduced(image)), image)


class SteadyNearness:
    """The same of a video's frames, in order, without flicker."""

    def __init__(self, estimator: DepthEstimator) -> None:
        self._depth, self._range = SteadyDepth(estimator, every=EVERY), SteadyRange()

    def __call__(self, image: Image.Image, moment: "Moment | None" = None) -> np.ndarray:
        """As ``DepthNearness``."""
        depth = self._depth.reduced(image)
        return _along_edges(self._range(depth, begins=self._depth.begins), image)


def _along_edges(near: np.ndarray, image: Image.Image) -> np.ndarray:
    small = image.reduce(REDUCTION) if min(image.size) >= 64 else image
    return upsample_along_edges(near, small.convert("RGB")).clip(0, 1)


@cache
def depth_network(provider: str = "auto", threads: int | None = None) -> DepthEstimator:
    """The depth network for run time; ``provider`` and ``threads`` as ``open_session`` has them.

    Raises FileNotFoundError where it is not installed.
    """
    return DepthEstimator("fast", *onnx_estimator(DEPTH_NETWORK, provider, threads))


DEPTH_NETWORK = CHECKPOINTS / "depth" / "fast.onnx"


def _resized(shades: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if shades.shape == size[::-1]:
        return shades
    # Box and not bilinear: maps are mostly larger, and soft enough where they are not.
    image = Image.fromarray(np.asarray(shades, np.float32))
    larger = image.width < size[0]
    resampling = Image.Resampling.BILINEAR if larger else Image.Resampling.BOX
    return np.asarray(image.resize(size, resampling))
