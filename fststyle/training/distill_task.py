"""A style network that learns from another: its loss, its validation and its files."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fststyle.config import DistillConfig
from fststyle.data.loader import Batch
from fststyle.losses.functional import picture_losses
from fststyle.losses.perceptual import TaughtFeatures
from fststyle.networks.transform import TransformNet
from fststyle.training.camera import with_noise
from fststyle.training.loop import to_device
from fststyle.training.seen_again import after_a_move
from fststyle.training.shifts import phase_crop
from fststyle.training.state import TrainingState
from fststyle.training.style_files import save_run, show
from fststyle.utils.device import autocast, training_format
from fststyle.utils.tensorboard import TensorBoardLogger

MAPS = (0.0, 1.0)
"""Constant maps that pictures are shown with."""
WEIGHTS = {
    "picture": 4.0,
    "strokes": 16.0,
    "contrast": 16.0,
    "colour": 32.0,
    "style": 2.0,
    "content": 1.0,
    "painting": 2.0,
}
"""Of the losses. With less of the second, strokes blur and what is near is less crisp; without the
third, pictures turn pale, without the fourth, palettes shrink, and without the fifth strokes whose
place cannot be told are missing."""


class DistillTask:
    """What the loop asks for, see ``training.loop.Task``. The targets of batches are the maps that
    teacher and network are given."""

    def __init__(
        self,
        config: DistillConfig,
        teacher: TransformNet,
        features: TaughtFeatures | None,
        precision: str,
        device: torch.device,
        logger: TensorBoardLogger,
        val: Batch,
        card: dict[str, Any],
    ) -> None:
        self.config, self.card, self.logger, self.val = config, card, logger, val
        self.precision, self.device = precision, device
        self.layout = training_format(device, precision)
        self.teacher = teacher.requires_grad_(False).eval().to(device)
        self.teacher.to(memory_format=self.layout)  # type: ignore[call-overload]
        self.features = features
        self.network_file = config.folder / f"{config.name}.safetensors"
        self.losses: dict[str, float] = {}

    def loss(
        self, network: nn.Module, images: Tensor, targets: Tensor | None, step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """As ``training.loop.Task`` says."""
        random = torch.Generator().manual_seed(int(torch.randint(2**62, ())))
        inputs = self._inputs(with_noise(images, self.config.grain, random), targets)
        weights = {**WEIGHTS, "stability": self.config.steady_weight}
        if not self.config.steady_weight:
            terms = self._differences(network(*inputs), self._taught(inputs), targets, step)
        else:
            again = after_a_move(inputs, targets, random)
            # One call: processes that train together exchange gradients after every call.
            both = network(
                *(self._laid(torch.cat(x)) for x in zip(inputs, again.inputs, strict=True))
            )
            output, moved = both.split(len(images))
            terms = self._differences(output, self._taught(inputs), targets, step)
            terms["stability"] = again.change(output, moved)
        return torch.stack([weights[name] * term for name, term in terms.items()]).sum(), terms

    def _inputs(self, images: Tensor, maps: Tensor | None) -> list[Tensor]:
        given = [images] if maps is None else [images, maps]
        return [self._laid(x) for x in given]

    def _laid(self, x: Tensor) -> Tensor:
        return x.contiguous(memory_format=self.layout)

    def _differences(
        self, output: Tensor, taught: Tensor, maps: Tensor | None, step: int
    ) -> dict[str, Tensor]:
        """Terms by name, of the network's pictures beside its teacher's."""
        terms = picture_losses(output, taught)
        if self.features is not None:
            # Where the photo is to stay the painting has no say.
            parts = None if maps is None else (1 - maps.mean((1, 2, 3))).square()
            cut = phase_crop(output, step), phase_crop(taught, step)
            terms |= self.features(*cut, parts)
        return terms

    @torch.no_grad()
    def _taught(self, inputs: Sequence[Tensor]) -> Tensor:
        """What the teacher shows."""
        return self.teacher(*inputs).clamp(0, 1)

    @torch.no_grad()
    def validate(self, state: TrainingState) -> None:
        """Mean terms over the validation photos; these, and below each other what the teacher and
        the network make of them, with every one of ``MAPS``, to TensorBoard and a PNG."""
        sums: dict[str, float] = {}
        rows: list[list[Tensor]] = []
        size = self.config.batch_size
        for start in range(0, len(self.val.images), size):
            content = to_device(self.val.images[start : start + size], self.device)
            shown = [content]
            for value in MAPS if self.teacher.mapped else (None,):
                maps = None if value is None else torch.full_like(content[:, :1], value)
                inputs = self._inputs(content, maps)
                with autocast(self.device, self.precision):
                    taught, output = self._taught(inputs).float(), state.network(*inputs).float()
                    terms = self._differences(output, taught, maps, 0)
                for name, term in terms.items():
                    key = name if value is None else f"{name} map {value:g}"
                    sums[key] = sums.get(key, 0.0) + term.item() * len(content)
                shown += [taught, output.clamp(0, 1)]
            rows.append(shown)
        self.losses = {name: total / len(self.val.images) for name, total in sums.items()}
        self.logger.scalars({f"val/{name}": v for name, v in self.losses.items()}, state.step)
        show(rows, self.val.images.shape[-2:], self.config, state.step, self.logger)

    def save(self, state: TrainingState) -> None:
        """The network's file and the state."""
        save_run(self.config, state, {**self.card, "losses": self.losses})
