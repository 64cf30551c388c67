"""A style network in training: its loss, its validation and its files."""

import math
import time
from typing import Any

import torch
from torch import Tensor, nn

from fststyle.config import StyleTrainConfig
from fststyle.data.loader import Batch
from fststyle.depth.maps import colorize_together
from fststyle.losses.perceptual import StyleObjective
from fststyle.losses.weight_maps import content_weights, gradient_weight_map
from fststyle.training.camera import with_noise
from fststyle.training.content_weight import ContentWeight
from fststyle.training.loop import to_device
from fststyle.training.seen_again import seen_again
from fststyle.training.shifts import phase_crop
from fststyle.training.state import TrainingState
from fststyle.training.style_files import save_run, show
from fststyle.utils.device import autocast, training_format
from fststyle.utils.tensorboard import TensorBoardLogger
from fststyle.utils.tensors import as_tensor

PART = 0.5
"""Of a batch, what the network sees again, once for each of the losses of that."""
VALIDATION_STEP = 5
"""The step whose move is seen in validation."""


class StyleTask:
    """What the loop asks for, see ``training.loop.Task``."""

    def __init__(
        self,
        config: StyleTrainConfig,
        objective: StyleObjective,
        precision: str,
        device: torch.device,
        logger: TensorBoardLogger,
        val: Batch,
        card: dict[str, Any],
        state: TrainingState,
        *,
        first_objective: StyleObjective | None = None,
        content_weight: ContentWeight | None = None,
    ) -> None:
        self.config, self.objective, self.card = config, objective, card
        self.state, self.first_objective = state, first_objective
        self.content_weight = content_weight
        self.precision, self.device = precision, device
        self.layout = training_format(device, precision)
        self.logger, self.val = logger, val
        self.network_file = config.folder / f"{config.name}.safetensors"
        self.losses: dict[str, float] = {}
        self.gradient: Tensor | None = None
        if config.weights_content and val.targets is None:
            self.gradient = gradient_weight_map(*config.crop_size, config.weight_map).to(device)

    def loss(
        self, network: nn.Module, images: Tensor, targets: Tensor | None, step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """As ``training.loop.Task`` says; ``targets`` are weight maps."""
        weight_map = self.weight_map(images, targets)
        # Of the step and the process, as everything at random.
        random = torch.Generator().manual_seed(int(torch.randint(2**62, ())))
        output, changes = self.stylized(network, images, weight_map, step, random)
        weights = self.weights(weight_map)
        shift = self.config.grid_shift * self.config.loss_downscale
        objective = self.current_objective()
        terms = objective(
            phase_crop(output, step, shift),
            phase_crop(images, step, shift),
            None if weights is None else phase_crop(weights, step, shift),
            depth_part=self.config.depth_part,
        )
        if self.content_weight is not None:
            objective.weights["content"] = weight = self.content_weight().clone()
            self.content_weight.update(objective.content_error(terms))
        loss = objective.weighted_sum(terms)
        factors = {
            "stability": self.config.steady_weight,
            "locality": self.config.locality_weight,
        }
        for name, change in changes.items():
            loss = loss + factors[name] * change
        terms |= changes
        if self.content_weight is not None:
            terms["content_weight"] = weight
        return loss, terms

    def current_objective(self) -> StyleObjective:
        """That of this part of the training."""
        done, total = self.state.progress(self.config)
        if self.first_objective is not None and done < (1 - self.config.vgg_part) * total:
            return self.first_objective
        return self.objective

    def stylized(
        self,
        network: nn.Module,
        images: Tensor,
        weight_map: Tensor | None,
        step: int,
        random: torch.Generator,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """N×3×H×W outputs; and of ``PART`` of the images the terms of ``seen_again``. ``random`` is
        also what their grain follows from, which belongs to what is seen and moves along."""
        inputs = [with_noise(images, self.config.grain, random)]
        if weight_map is not None and self.config.takes_map:
            inputs.append(weight_map)
        count = math.ceil(len(images) * PART)
        first_map = None if weight_map is None else weight_map[:count]
        again = seen_again([x[:count] for x in inputs], first_map, self.config, step, random)
        # One call for all: processes that train together exchange gradients after every call.
        given = [
            torch.cat((x, *(other.inputs[i] for other in again.values())))
            for i, x in enumerate(inputs)
        ]
        both = network(*(x.contiguous(memory_format=self.layout) for x in given))
        output, *others = both.split((len(images), *(count for _ in again)))
        changes = {
            name: seen.change(output[:count], other)
            for (name, seen), other in zip(again.items(), others, strict=True)
        }
        return output, changes

    def cost_of_depth(self, count: int, parts: int) -> str:
        """What the depth loss adds to a step of so many ``parts`` of ``count`` photos, measured."""
        shift = self.config.grid_shift * self.config.loss_downscale
        size = [side - shift for side in self.config.crop_size]
        depth_part = self.config.depth_part
        # Of its own generator: measuring must leave no trace in the run.
        noise = torch.Generator().manual_seed(0)
        images = torch.rand(count, 3, *size, generator=noise).to(self.device)
        images = images.contiguous(memory_format=torch.channels_last).requires_grad_()
        seconds: dict[float, float] = {}
        for part in (0.0, depth_part) * 2:  # the first of each warms up
            started = time.perf_counter()
            with autocast(self.device, self.precision):
                terms = self.objective(images, images, depth_part=part)
            self.objective.weighted_sum(terms).backward()
            assert images.grad is not None
            images.grad.sum().item()  # waits for the device
            seconds[part] = time.perf_counter() - started
        added = parts * (seconds[depth_part] - seconds[0.0])
        return f"the depth loss adds {added:.3f} s to a step"

    def weight_map(self, images: Tensor, targets: Tensor | None) -> Tensor | None:
        """The maps of ``images``: what comes with them, or the even gradient; None for neither."""
        if targets is None and self.gradient is not None:
            return self.gradient.expand(len(images), -1, -1, -1)
        return targets

    def weights(self, weight_map: Tensor | None) -> Tensor | None:
        """The content loss's weights; None where it has none."""
        if weight_map is None:
            return None
        return content_weights(weight_map, self.config.alpha_min, self.config.alpha_max)

    @torch.no_grad()
    def validate(self, state: TrainingState) -> None:
        """Mean terms over the validation photos; their stylizations, and what of weight maps and
        depth there is, to TensorBoard and a PNG."""
        sums: dict[str, float] = {}
        rows: list[list[Tensor]] = []
        size = self.config.batch_size
        random = torch.Generator().manual_seed(VALIDATION_STEP)
        for start in range(0, len(self.val.images), size):
            part = slice(start, start + size)
            content = to_device(self.val.images[part], self.device)
            targets = self.val.targets
            weight_map = self.weight_map(
                content, None if targets is None else targets[part].to(self.device)
            )
            with autocast(self.device, self.precision):
                output, changes = self.stylized(
                    state.network, content, weight_map, VALIDATION_STEP, random
                )
                terms = {**self.objective(output, content, self.weights(weight_map)), **changes}
            for name, term in terms.items():
                sums[name] = sums.get(name, 0.0) + term.item() * len(content)
            rows.append(self._pictures(content, output, weight_map))
        self.losses = {name: total / len(self.val.images) for name, total in sums.items()}
        self.logger.scalars({f"val/{name}": v for name, v in self.losses.items()}, state.step)
        show(rows, self.val.images.shape[-2:], self.config, state.step, self.logger)

    def _pictures(self, content: Tensor, output: Tensor, weight_map: Tensor | None) -> list[Tensor]:
        """Content and output; where there are weights, their map, white where content counts most;
        where there is a depth loss, the depth of content and output in one scale of colours."""
        rows = [content, output.float().clamp(0, 1)]
        if weight_map is not None:
            rows.append(weight_map.expand_as(content))
        if self.config.keeps_depth:
            with autocast(self.device, self.precision):
                both = torch.stack([self.objective.depth_of(image) for image in (content, output)])
            columns = both.float().cpu()[:, :, 0].unbind(1)
            colored_depth = [
                [as_tensor(part) for part in colorize_together(list(column.numpy()))]
                for column in columns
            ]
            rows += [torch.cat(row) for row in zip(*colored_depth, strict=True)]
        return rows

    def save(self, state: TrainingState) -> None:
        """The network's file and the state."""
        card = {**self.card, "losses": self.losses}
        if self.content_weight is not None:
            card["content_weight"] = self.content_weight().item()
        save_run(self.config, state, card)
