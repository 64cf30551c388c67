"""How a picture is optimized: the networks made ready once, then from coarse to fine."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from fststyle import config as settings
from fststyle.checkpoints import STYLE, load
from fststyle.checkpoints.loading import SUFFIXES, shipped
from fststyle.config import OptimizeConfig
from fststyle.config.infer import MapControls, NearFarControls, map_settings
from fststyle.data.weight_maps import MapFolder
from fststyle.depth.estimator import training_size
from fststyle.depth.maps import weight_map_from_depth
from fststyle.depth.torch_estimator import photo_depth
from fststyle.images.find import find_named
from fststyle.images.geometry import fit_within
from fststyle.images.io import read_image
from fststyle.inference.maps import WeightMaps
from fststyle.losses.build import build_objective, sized_blend, sized_paintings
from fststyle.losses.depth import for_loss, load_depth_network
from fststyle.losses.perceptual import StyleObjective, Targets
from fststyle.losses.weight_maps import content_weights, gradient_weight_map
from fststyle.networks.color import luma, match_luma, with_luma
from fststyle.optimization.descent import Descent, LossFunction
from fststyle.optimization.memory import Need, available, measure_need
from fststyle.optimization.results import (
    OptimizedPicture,
    PictureInProgress,
    Progress,
    write_picture,
    write_record,
)
from fststyle.utils.console import printable
from fststyle.utils.device import DTYPES, autocast, find_device, find_precision
from fststyle.utils.files import named
from fststyle.utils.nonfinite import NonFiniteError
from fststyle.utils.tensors import as_tensor
from fststyle.utils.versions import versions

NOISE = 0.15
"""Standard deviation of the noise to begin with, around the middle of [0,1]."""


class ImageOptimizer:
    """The networks, made ready once, and how pictures are optimized with them."""

    def __init__(self, config: OptimizeConfig) -> None:
        self.config = config
        self.device = find_device(config.device)
        self.precision = find_precision(config.precision, self.device)
        self.paintings = [read_image(path, srgb=True) for path in config.style]
        self.start: torch.nn.Module | None = None
        if config.init not in ("content", "noise"):
            self._open_start(config.init)
        self.depth = None
        loss_depth = None
        self.card: dict[str, Any] = {
            "style": [named(path) for path in config.style],
            "settings": settings.to_json(config),
            "precision": self.precision,
            "versions": versions(),
        }
        if config.needs_depth:
            depth = load_depth_network(
                config.depth_network, config.vgg_weights, config.loss_network
            )
            self.card["depth_network"] = {name: depth.card[name] for name in ("kind", "id")}
            depth.network.to(self.device)
            self.depth = photo_depth(depth, self.device, self.precision)
            if config.depth_full_size:
                self.depth = partial(self._depth_as_compared, depth.network)
            if config.keeps_depth:
                side = training_size(depth.card)
                loss_depth = for_loss(
                    *(depth.network, side, DTYPES[self.precision]),
                    config.size[-1] / config.loss_downscale,
                    config.loss_network,
                    full_size=config.depth_full_size,
                )
        self.objective, self.card["loss_network"] = build_objective(
            config,
            config.vgg_weights,
            loss_depth,
            self.device,
            DTYPES[self.precision],
        )
        self.need: Need | None = None

    def _open_start(self, init: str) -> None:
        path = Path(init)
        if init in shipped() or path.suffix in SUFFIXES:
            self.start = load(init, STYLE).network.to(self.device)
        elif not path.is_dir():
            read_image(path)

    def optimize(
        self, photo: Path, target: Path, stopped: Callable[[], bool]
    ) -> OptimizedPicture | None:
        """The picture of ``photo``, into ``target``; the best so far when ``stopped`` or failing.
        None where there is none yet.

        Raises ValueError with the reason; NonFiniteError, one of these, after writing the best.
        """
        image = read_image(photo, srgb=True)
        try:
            sizes = _sizes(image, self.config.size, self._smallest_side())
        except ValueError as error:
            raise ValueError(f"{photo}: {error}") from error
        self._check_memory(photo, image, sizes)
        weight_map = self._weight_map(photo, image)
        work: PictureInProgress | None = None
        total = sum(self._steps(size) for size in sizes)
        progress = Progress(self.config, target)
        failure: NonFiniteError | None = None
        with tqdm(total=total, unit="step", desc=printable(photo.name)) as bar:
            for size in sizes:
                work = self._begin(photo, fit_within(image, size), size, weight_map, work)
                try:
                    self._descend(work, self._steps(size), bar, progress, stopped)
                except NonFiniteError as error:
                    failure = error
                if failure or stopped():
                    break
        progress.close()
        assert work is not None
        written = None
        if any(level["curve"] for level in work.levels):
            written = self._write(work, photo, target)
        if failure:
            raise NonFiniteError(f"{photo}: {failure}")
        if stopped():
            print(
                f"stopped after {bar.n} of {total} steps; {target} holds the best picture so far"
                f" (to go on: --init {target} --overwrite)"
            )
        return written

    def _smallest_side(self) -> int:
        """Pixels; both sides of a picture have more. VGG needs 16 and a depth network 32, if it
        is not given enlarged pictures."""
        sees_full_size = self.config.depth_full_size and self.config.needs_depth
        return (32 if sees_full_size else 16) * self.config.loss_downscale - 1

    def _steps(self, size: int) -> int:
        steps = self.config.steps
        return steps[0] if len(steps) == 1 else steps[self.config.size.index(size)]

    def _check_memory(self, photo: Path, image: Image.Image, sizes: Sequence[int]) -> None:
        """Raises ValueError that says what size would fit."""
        if self.need is None:
            self.need = measure_need(self._loss_fn_of, self.config.history, self.device)

        def needed(size: int) -> float:
            width, height = fit_within(image, size).size
            assert self.need is not None
            return self.need(width * height)

        free, size = available(self.device), sizes[-1]
        if needed(size) > free:
            picture = fit_within(image, size)
            smaller = range(max(picture.size) // 16 * 16, 16, -16)
            fits = next((size for size in smaller if needed(size) <= free), 16)
            raise ValueError(
                f"{photo}: {picture.width}×{picture.height} pixels need about"
                f" {needed(size) / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free:"
                f" --size {fits} would fit; --loss-downscale 2 or a smaller --history allow more"
            )

    def _loss_fn_of(self, content: Tensor) -> LossFunction:
        with autocast(self.device, self.precision):
            targets = self.objective.targets(content)
        return partial(self._loss, self.objective, targets)

    def _loss(
        self, objective: StyleObjective, targets: Targets, output: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        output = output.contiguous(memory_format=torch.channels_last)
        with autocast(self.device, self.precision):
            terms = objective.compare(output, targets)
        return objective.weighted_sum(terms), terms

    def _weight_map(self, photo: Path, image: Image.Image) -> Tensor | None:
        """1×1×H×W at any resolution; None where content is not weighted."""
        if not self.config.weights_content:
            return None
        weight_map = self._nearness(photo, image)
        if not self.config.asks_for_map:
            return weight_map
        controls = MapControls(**map_settings(self.config, NearFarControls))
        shades = weight_map[0, 0].numpy()
        maps = WeightMaps(controls, Path(photo.name), shades=shades, reduction=1)
        return torch.from_numpy(maps(image))[None, None]

    def _nearness(self, photo: Path, image: Image.Image) -> Tensor:
        """As ``--weight-map`` has it, 1 near and 0 far."""
        kind = self.config.weight_map
        if kind in ("horizontal", "vertical"):
            return gradient_weight_map(image.height, image.width, kind)
        if kind != "depth":
            values = MapFolder(Path(kind), self._folder(photo, Path(kind)))(photo, image.size)
        else:
            assert self.depth is not None
            values = weight_map_from_depth(self.depth(image))
        return torch.from_numpy(np.array(values, np.float32))[None, None]

    @torch.no_grad()
    def _depth_as_compared(self, network: torch.nn.Module, image: Image.Image) -> np.ndarray:
        """H×W depth of a photo that the network sees as the depth loss does: at the finest size,
        behind the pooling, whose windows have one depth each."""
        content = as_tensor(fit_within(image, self.config.size[-1])).to(self.device)
        pooling = self.config.loss_downscale
        with autocast(self.device, self.precision):
            depth = network(F.avg_pool2d(content, pooling)).float()
        large = depth.repeat_interleave(pooling, 2).repeat_interleave(pooling, 3)
        height, width = (a - b for a, b in zip(content.shape[2:], large.shape[2:], strict=True))
        return F.pad(large, (0, width, 0, height), mode="replicate")[0, 0].cpu().numpy()

    def _begin(
        self,
        photo: Path,
        image: Image.Image,
        size: int,
        weight_map: Tensor | None,
        before: PictureInProgress | None,
    ) -> PictureInProgress:
        """A size's work, begun with the size before it, or as ``--init`` says."""
        content = as_tensor(image).to(self.device)
        grey = luma(content) if self.config.keep_color else None
        shown = content if grey is None else grey.expand_as(content)
        objective = self._objective(grey, size / self.config.size[-1])
        alphas = None
        if weight_map is not None:
            scaled = F.interpolate(
                weight_map, (image.height, image.width), mode="bilinear", antialias=True
            )
            alphas = content_weights(
                scaled.to(self.device), self.config.alpha_min, self.config.alpha_max
            )
        with autocast(self.device, self.precision):
            targets = objective.targets(shown.contiguous(memory_format=torch.channels_last), alphas)
        if before is None:
            start = self._start(photo, content)
        else:
            start = F.interpolate(
                before.picture, content.shape[-2:], mode="bicubic", antialias=True
            )
        loss_fn: LossFunction = partial(self._loss, objective, targets)
        finish: Callable[[Tensor], Tensor] = Tensor.clone
        if grey is not None:
            start = luma(start)
            colorize, loss_fn = loss_fn, lambda value: colorize(value.expand_as(content))
            finish = partial(with_luma, content)
        descent = Descent(
            loss_fn, start, self.config.optimizer, self.config.lr, self.config.history
        )
        work = PictureInProgress(descent, finish)
        if before is not None:
            work.levels, work.seconds = before.levels, before.seconds
        work.levels.append({"size": list(image.size), "curve": descent.curve})
        return work

    def _folder(self, photo: Path, other: Path) -> Path:
        """Of the folders that were named that below which the photo has the place that a picture
        has below ``other``, or the photo's own: there its bare name counts."""
        named = (Path(source) for source in self.config.inputs)
        below = (folder for folder in named if folder.is_dir() and photo.is_relative_to(folder))
        holding = (folder for folder in below if find_named(other, photo.relative_to(folder)))
        return next(holding, photo.parent)

    def _objective(self, grey: Tensor | None, scale: float) -> StyleObjective:
        """Strokes are as large in a coarse picture, in proportion, as in the fine one."""
        if grey is None and scale == 1:
            return self.objective
        paintings = sized_paintings(self.paintings, self.config.style_size, self.device, scale)
        if grey is not None:
            paintings = [match_luma(painting, grey) for painting in paintings]
        with autocast(self.device, self.precision):
            return self.objective.restyled(paintings, sized_blend(self.config))

    def _start(self, photo: Path, content: Tensor) -> Tensor:
        if self.config.init == "content":
            return content
        if self.config.init == "noise":
            noise = torch.Generator().manual_seed(self.config.seed)
            return (torch.randn(content.shape, generator=noise) * NOISE + 0.5).to(content)
        if self.start is not None:
            with torch.inference_mode(), autocast(self.device, self.precision):
                return self.start(content).float().clone()
        path = Path(self.config.init)
        if path.is_dir():
            named = find_named(path, photo.relative_to(self._folder(photo, path)))
            settings.check(
                named is not None, f"{photo}: --init {path} has no picture named as it is"
            )
            assert named is not None
            path = named
        start = as_tensor(read_image(path, srgb=True)).to(content)
        return F.interpolate(start, content.shape[-2:], mode="bicubic", antialias=True)

    def _descend(
        self,
        work: PictureInProgress,
        steps: int,
        bar: Any,
        progress: Progress,
        stopped: Callable[[], bool],
    ) -> None:
        descent, first = work.descent, bar.n
        started = time.perf_counter()
        for step in descent.run(steps):
            bar.update(first + step - bar.n)
            values = descent.curve[-1]
            bar.set_postfix_str(" ".join(f"{name} {value:.3g}" for name, value in values.items()))
            progress.losses(values, bar.n)
            if progress.wants_picture(step, last=step == steps):
                progress.picture(work.finish(descent.image), bar.n)
            if stopped():
                break
        work.seconds += time.perf_counter() - started

    def _write(self, work: PictureInProgress, photo: Path, target: Path) -> OptimizedPicture:
        picture, best = work.picture, work.descent
        write_picture(picture, target, self.config.bits)
        size = picture.shape[-1], picture.shape[-2]
        losses = {"loss": best.best_loss, **best.best_terms}
        written = OptimizedPicture(photo, target, size, losses, work.seconds)
        if self.config.record:
            write_record(written, work.levels, self.card)
        terms = ", ".join(f"{name} {value:.3f}" for name, value in best.best_terms.items())
        print(
            f"{printable(target)}: {size[0]}×{size[1]}, {work.seconds:.0f} s,"
            f" loss {best.best_loss:.3f} ({terms})"
        )
        return written


def _sizes(image: Image.Image, sizes: Sequence[int], least: int) -> list[int]:
    """The coarse ones that reduce the photo, but to more than ``least`` pixels on either side, and
    the finest. Raises ValueError for a photo that has fewer."""
    if min(fit_within(image, sizes[-1]).size) <= least:
        raise ValueError(
            f"{image.width}×{image.height} pixels: more than {least} are needed on either side"
        )
    coarse = [size for size in sizes[:-1] if size < max(image.size)]
    return [s for s in coarse if min(fit_within(image, s).size) > least] + [sizes[-1]]
