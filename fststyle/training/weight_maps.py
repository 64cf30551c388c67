"""The weight maps of a style training's photos, made ready before its first step."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

from fststyle.checkpoints import ModelDescriptor
from fststyle.config import DistillConfig, StyleTrainConfig
from fststyle.data.photos import WeightMaps, evenly_spread, photos_used
from fststyle.data.weight_maps import DepthCache, EvenGradient, MapFolder, cache_folder
from fststyle.depth.estimator import Estimate, training_size
from fststyle.depth.torch_estimator import photo_depth
from fststyle.training.distributed import DistributedContext
from fststyle.training.state import TrainingState

VALIDATION_PHOTOS = 8
STEPS_A_SECOND = 10.0
"""As many as a GPU takes of a training with maps, where the clock decides how many there are."""

MappedRun = StyleTrainConfig | DistillConfig


class ReadyMaps(NamedTuple):
    """Weight maps of a run's photos; None where none are read, since they are the same for all."""

    train: WeightMaps | None
    val: WeightMaps | None


@contextmanager
def prepare_weight_maps(
    config: MappedRun,
    depth: ModelDescriptor[nn.Module] | None,
    load_depth: Callable[[], ModelDescriptor[nn.Module]],
    photos: Sequence[Path],
    val_photos: Sequence[Path],
    state: TrainingState,
    context: DistributedContext,
    precision: str,
    *,
    takes_map: bool,
    side: int | None = None,
) -> Iterator[ReadyMaps]:
    """Maps of the training photos and of ``VALIDATION_PHOTOS`` to validate on.

    Depth is computed here for the photos that this machine's samples from ``state``'s on will use;
    each of its processes takes a part. Raises ValueError where a folder lacks maps, OSError where
    depth cannot be kept.

    Args:
        load_depth: opens ``depth`` anew, in processes that read photos.
        takes_map: whether the network does, and others are drawn from these.
        side: of the square that has the area at which the depth network is to see photos; the one
            it was trained for by default.
    """
    if config.weight_map in ("horizontal", "vertical"):
        gradient = EvenGradient(config.weight_map) if takes_map else None
        yield ReadyMaps(gradient, gradient)
    elif config.weight_map != "depth":
        folder = Path(config.weight_map)
        train, val = (MapFolder(folder, root) for root in (config.content, config.val_folder))
        train.check(photos)
        val.check(val_photos)
        yield ReadyMaps(train, val)
    else:
        assert depth is not None
        with _shared_folder(config.depth_cache, context) as folder:
            # Depth in bfloat16 is not float32's.
            name = f"{depth.card['id']}-{side or training_size(depth.card)}-{precision}"
            cache = DepthCache(folder / name, partial(_on_cpu, load_depth, precision, side))
            estimate = photo_depth(depth, context.device, precision, side)
            steps = _steps_left(config, state, context.device)
            samples = range(state.samples, state.samples + steps * config.batch_size)
            shares = (config.batch_size, context.ranks_here, context.size)
            unusable: set[Path] = set()
            while True:
                used = photos_used(photos, config.seed, samples, *shares, unusable)
                part = used[context.local_rank :: context.local_size]
                failed = cache.fill(part, estimate, show=context.is_main_process)
                # Waits for the others; what takes the place of photos that failed needs maps, too.
                failed_anywhere = set(map(Path, context.gather(list(map(str, failed)))))
                if failed_anywhere <= unusable:
                    break
                unusable |= failed_anywhere
            if context.local_rank == 0:
                wanted = evenly_spread(val_photos, VALIDATION_PHOTOS)[:VALIDATION_PHOTOS]
                cache.fill(wanted, estimate, show=context.is_main_process)
            context.any(False)  # waits for the others
            yield ReadyMaps(cache, cache)


@contextmanager
def _shared_folder(setting: str | None, context: DistributedContext) -> Iterator[Path]:
    """``cache_folder``, the same for all processes of a machine."""
    with ExitStack() as stack:
        own = ""
        if setting != "off" or context.local_rank == 0:
            own = str(stack.enter_context(cache_folder(setting)))
        yield Path(context.gather([own])[context.ranks_here.start])


def side_seen(config: StyleTrainConfig) -> int | None:
    """Side of the square that has the area at which the depth network is to see photos, where it is
    not the one it was trained for: as the loss compares them."""
    height, width = config.crop_size
    side = round((height * width) ** 0.5 / config.loss_downscale)
    return side if config.depth_full_size else None


def _steps_left(config: MappedRun, state: TrainingState, device: torch.device) -> int:
    """How many steps the run will take from here, about as many at most where the clock decides."""
    done, total = state.progress(config)
    if config.seconds is None:
        return max(0, int(total - done))
    rate = STEPS_A_SECOND if device.type == "cuda" else 1.0
    return math.ceil(rate * max(0.0, total - done))


def _on_cpu(
    load_depth: Callable[[], ModelDescriptor[nn.Module]], precision: str, side: int | None
) -> Estimate:
    """For photos whose turn was not foreseen: one takes the place of another that is broken."""
    # CPUs have no float16; float32's depth is closer to it than bfloat16's.
    known = "fp32" if precision == "fp16" else precision
    return photo_depth(load_depth(), torch.device("cpu"), known, side)
