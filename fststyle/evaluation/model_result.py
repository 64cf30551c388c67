"""What was measured of one network, or of one folder of pictures."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from fststyle.evaluation.output_folder import PictureFolder
from fststyle.losses.functional import style_loss
from fststyle.losses.perceptual import StyleObjective

AddGrain = Callable[[np.ndarray, np.ndarray | None], np.ndarray]
"""H×W×3 uint8, and its h×w map, to what a network is given."""


Output = Callable[[Path, Image.Image, AddGrain | None], Image.Image | Tensor]
"""A photo's place below the folder of photos, what it holds at the size of the comparison, and the
grain that a network is to be given with it, to its picture: 1×3×H×W in [0,1], or finished, of any
size."""


@dataclass
class ModelResult:
    """A network, a folder of pictures or films, and what was measured of it, photo by photo.

    ``film``: of a clip, where the film lies that was made of it; None for networks.
    ``kept_depth``: id of the depth network by which a depth loss kept its depth, if one did.
    """

    name: str
    method: str
    output: Output
    objective: StyleObjective
    painting: str
    paintings: tuple[Path, ...]
    folder: PictureFolder | None = None
    film: Callable[[Path], Path] | None = None
    kept_depth: str | None = None
    lists: dict[str, list[float]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    relative: dict[str, list[float]] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, np.ndarray]:
        """A value for each photo, by figure."""
        return {name: np.asarray(values) for name, values in self.lists.items()}

    def add_relative(self, errors: Mapping[str, float]) -> None:
        """One photo's ``relative.relative_errors``."""
        for name, error in errors.items():
            self.relative.setdefault(name, []).append(error)

    def relative_means(self) -> dict[str, float]:
        """Of ``relative``, over the photos."""
        return {name: float(np.mean(errors)) for name, errors in self.relative.items()}

    def mean(self, figure: str) -> float:
        """Over the photos."""
        return float(np.mean(self.lists[figure]))


def style_of(objective: StyleObjective, maps: Mapping[str, Tensor]) -> float:
    """The style loss of a picture's feature maps, ``objective.maps``'s; layers are summed."""
    return sum(
        style_loss(maps[layer], objective.grams[layer]).item() for layer in objective.style_layers
    )
