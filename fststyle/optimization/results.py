"""What optimizing leaves: pictures, what is known of them, and their way there."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image
from torch import Tensor

from fststyle.config import OptimizeConfig
from fststyle.images.io import read_image, to_uint8, write_deep, write_image
from fststyle.optimization.descent import Descent
from fststyle.utils.figures import write_json
from fststyle.utils.files import check_free, named
from fststyle.utils.tensorboard import TensorBoardLogger


@dataclass
class PictureInProgress:
    """A picture in the making, at its present size."""

    descent: Descent
    finish: Callable[[Tensor], Tensor]
    """From the variable to the picture, N×3×H×W."""
    levels: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def picture(self) -> Tensor:
        """The best so far."""
        return self.finish(self.descent.best)


class OptimizedPicture(NamedTuple):
    """A picture that was written.

    Attributes:
        photo, file: what it was made of, and where it is.
        size: (width, height).
        losses: of the best picture: "loss", the weighted sum, and its unweighted terms.
        seconds: that the optimization took.
    """

    photo: Path
    file: Path
    size: tuple[int, int]
    losses: dict[str, float]
    seconds: float

    @property
    def image(self) -> Image.Image:
        """The picture, RGB, 8 bits."""
        return read_image(self.file)


class Optimized(NamedTuple):
    """Pictures that were written, and why others were not, a line each, by their photos' paths."""

    pictures: list[OptimizedPicture]
    failures: dict[str, str]

    @property
    def exit_status(self) -> int:
        """1 where something failed, else 0."""
        return 1 if self.failures else 0


def record_file(picture: Path) -> Path:
    """Where ``--record`` writes what it knows of ``picture``."""
    return picture.with_name(f"{picture.name}.json")


def write_picture(picture: Tensor, file: Path, bits: int) -> None:
    """1×3×H×W in [0,1] as a picture of 8 or 16 bits a channel."""
    if bits == 16:
        write_deep(_rows(picture).numpy(), file)
    else:
        write_image(Image.fromarray(to_uint8(_rows(picture).numpy())), file)


def _rows(picture: Tensor) -> Tensor:
    return picture[0].permute(1, 2, 0).float().cpu()


def write_record(
    picture: OptimizedPicture, levels: list[dict[str, Any]], card: dict[str, Any]
) -> None:
    """``--record``: settings, the losses of every step (``levels``, by size) and seconds."""
    record = {
        **card,
        "photo": named(picture.photo),
        "levels": levels,
        "seconds": picture.seconds,
    }
    write_json(record_file(picture.file), record, indent=None)


class Progress:
    """``--progress``: pictures in between and curves, below its folder; nothing without one.

    Raises FileExistsError where pictures are there already, without ``--overwrite``.
    """

    def __init__(self, config: OptimizeConfig, target: Path) -> None:
        self._interval = config.picture_interval
        self._folder: Path | None = None
        if config.progress is not None:
            output = Path(config.output)
            below = target.is_relative_to(output) and target != output
            name = target.relative_to(output) if below else Path(target.name)
            self._folder = config.progress / name
            check_free(self._folder.glob("*.jpg"), config.overwrite, "--progress")
            self._folder.mkdir(parents=True, exist_ok=True)
        self._logger = TensorBoardLogger(self._folder and self._folder / "tensorboard", 0)

    def losses(self, losses: dict[str, float], step: int) -> None:
        """Curves of a step, counted over all sizes."""
        self._logger.scalars(losses, step)

    def wants_picture(self, step: int, last: bool) -> bool:
        """Whether the picture of a size's ``step`` is to be shown."""
        return self._folder is not None and (last or step % self._interval == 0)

    def picture(self, picture: Tensor, step: int) -> None:
        """1×3×H×W in [0,1]; ``step`` is counted over all sizes."""
        assert self._folder is not None
        self._logger.images("picture", [picture.cpu()], step)
        write_picture(picture, self._folder / f"{step:05d}.jpg", bits=8)

    def close(self) -> None:
        """Write what is left."""
        self._logger.close()
