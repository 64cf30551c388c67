"""A depth network in training: its loss, its validation and its files."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fststyle import config as settings
from fststyle.checkpoints.depth import fold_output, save_depth
from fststyle.checkpoints.style import STATE
from fststyle.config import DepthEvalConfig, DepthTrainConfig, parse_size
from fststyle.data.depth.maps import DepthPicture
from fststyle.data.depth.pairs import Pairs, differences, sample_pairs
from fststyle.depth.maps import shaded
from fststyle.evaluation.depth_metrics import evaluate, fitted
from fststyle.losses.dense_depth import dense_depth_losses, depth_ranks
from fststyle.losses.functional import ranking_loss
from fststyle.networks.depth_head import LAYERS
from fststyle.networks.vgg import VGG19Features
from fststyle.training.loop import to_device
from fststyle.training.state import TrainingState, save_state
from fststyle.utils.device import autocast
from fststyle.utils.tensorboard import TensorBoardLogger
from fststyle.utils.tensors import as_tensor


class DepthTask:
    """What the loop asks for, see ``training.loop.Task``."""

    scale_images: Tensor

    def __init__(
        self,
        config: DepthTrainConfig,
        extractor: VGG19Features | None,
        precision: str,
        device: torch.device,
        logger: TensorBoardLogger,
        val: Mapping[str, list[DepthPicture]],
        metric: Mapping[str, bool],
        card: dict[str, Any],
    ) -> None:
        self.config, self.extractor, self.card = config, extractor, card
        self.precision, self.device, self.logger = precision, device, logger
        self.val, self.metric = val, metric
        self.network_file: Path = config.folder / f"{config.name}.safetensors"
        self.figures: dict[str, dict[str, float]] = {}

    def predict(self, network: nn.Module, images: Tensor) -> Tensor:
        """N×3×H×W in [0,1] to N×1×H×W."""
        if self.extractor is None:
            return network(images)
        with torch.no_grad():
            features = self.extractor(images, LAYERS)
        return network(features)

    def _mirror(self, mirrored: bool) -> None:
        """In every other step the head reads features of mirrored pictures, since the loss network
        of a style training has either padding."""
        if self.extractor is not None and self.config.both_paddings:
            self.extractor.mirror(mirrored)

    def loss(
        self, network: nn.Module, images: Tensor, targets: Tensor | None, step: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """As ``training.loop.Task`` says."""
        assert targets is not None
        self._mirror(step % 2 == 1)
        pred = self.predict(network, images)
        self._mirror(False)
        pairs = self.pairs(targets)
        d = differences(pred, pairs)
        loss = ranking = ranking_loss(d, pairs.order, pairs.valid)
        terms = {}
        if self.config.dense_weight:
            terms["dense"], terms["gradient"] = dense_depth_losses(pred, depth_ranks(targets))
            dense = terms["dense"] + self.config.gradient_weight * terms["gradient"]
            loss = ranking + self.config.dense_weight * dense
        with torch.no_grad():
            ordered = pairs.valid & (pairs.order != 0)
            right = ((d * pairs.order > 0) & ordered).sum() / ordered.sum().clamp(min=1)
        return loss, {"ranking": ranking, **terms, "accuracy": right}

    def pairs(self, depth: Tensor) -> Pairs:
        """Pairs anywhere and pairs close together, in the parts that the settings ask for."""
        config = self.config
        near = round(config.pairs * config.near_pairs)
        kinds = [
            sample_pairs(
                depth,
                count,
                max_distance=distance,
                min_gap=config.min_gap,
                equal_gap=config.equal_gap,
            )
            for count, distance in ((config.pairs - near, None), (near, config.distance))
            if count
        ]
        return Pairs(*(torch.cat(parts, 1) for parts in zip(*kinds, strict=True)))

    @torch.no_grad()
    def validate(self, state: TrainingState) -> None:
        """Figures over the validation pictures, and pictures of depth, to TensorBoard."""
        state.network.eval()
        measured_at = DepthEvalConfig(
            checkpoints=(), data=(), size=self.config.size, min_gap=self.config.min_gap
        )
        mean, std = self._output_scale(state.network)
        for name, pictures in self.val.items():
            self.figures[name] = evaluate(
                lambda image: (self.predict(state.network, image) - mean) / std,
                pictures,
                measured_at,
                self.device,
                self.precision,
                metric=self.metric[name],
            )
            self.logger.scalars(
                {f"val_{name}/{k}": v for k, v in self.figures[name].items()}, state.step
            )
            self.logger.images(f"val/{name}", self._pictures(state.network, pictures), state.step)
        self.logger.flush()
        state.network.train()

    def _pictures(self, network: nn.Module, pictures: list[DepthPicture]) -> list[Tensor]:
        """Rows of photos, true and predicted depth."""
        size = parse_size(self.config.size)
        columns = []
        for picture in pictures[:8]:
            image, depth = fitted(picture, size)
            with autocast(self.device, self.precision):
                pred = self.predict(network, as_tensor(image).to(self.device))
            shown = shaded(pred.float().cpu().numpy()[0, 0])
            column = [image, np.asarray(shaded(depth)), np.asarray(shown)]
            columns.append([as_tensor(c) for c in column])
        small = [
            [nn.functional.interpolate(part, size=size) for part in column] for column in columns
        ]
        return [torch.cat(row) for row in zip(*small, strict=True)]

    def save(self, state: TrainingState) -> None:
        """The network's file, its output scaled, then the state."""
        card: dict[str, Any] = {
            **self.card,
            "settings": settings.to_json(self.config),
            "step": state.step,
            "figures": self.figures,
        }
        # A copy: building another would draw random numbers, and saving must leave no trace.
        network = copy.deepcopy(state.network).eval()
        mean, std = self._output_scale(network)
        if (mean, std) != (0.0, 1.0):
            fold_output(network, 1 / std, -mean / std)
        save_depth(self.network_file, network, card)
        save_state(self.config.folder / STATE, state, card)

    @torch.no_grad()
    def _output_scale(self, network: nn.Module) -> tuple[float, float]:
        """Mean and standard deviation of the output over the training photos, which the network's
        file is without; (0, 1) where it keeps its scale."""
        if not self.config.scale_output:
            return 0.0, 1.0
        outputs = []
        for images in self.scale_images.split(4):
            with autocast(self.device, self.precision):
                outputs.append(self.predict(network, to_device(images, self.device)).float())
        output = torch.cat(outputs)
        return output.mean().item(), max(output.std().item(), 1e-6)
