"""The weight maps of a style training's photos, made ready before its first step."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import torch
from torch import nn

from fststyle.checkpoints import ModelDescriptor
from fststyle.config import StyleTrainConfig
from fststyle.data.photos import WeightMaps, evenly_spread, photos_used
from fststyle.data.weight_maps import DepthCache, EvenGradient, MapFolder, cache_folder
from fststyle.depth.estimator import Estimate, training_size
from fststyle.depth.torch_estimator import photo_depth
from fststyle.losses.depth import load_depth_network
from fststyle.training.distributed import DistributedContext


@contextmanager
def prepare_weight_maps(
    config: StyleTrainConfig,
    depth: ModelDescriptor[nn.Module] | None,
    photos: Sequence[Path],
    val_photos: Sequence[Path],
    first_sample: int,
    context: DistributedContext,
    precision: str,
    val_count: int,
) -> Iterator[tuple[WeightMaps | None, WeightMaps | None]]:
    """Maps of the training photos and of those to validate on; None where none are read, since
    content is not weighted or by an even gradient of its crops.

    Depth is computed here for the photos that this machine's samples from ``first_sample`` on will
    use; each of its processes takes a part. Raises ValueError where a folder lacks maps, OSError
    where depth cannot be kept.
    """
    if not config.weights_content:
        yield None, None
    elif config.weight_map in ("horizontal", "vertical"):
        gradient = EvenGradient(config.weight_map) if config.takes_map else None
        yield gradient, gradient
    elif config.weight_map != "depth":
        folder = Path(config.weight_map)
        train, val = (MapFolder(folder, root) for root in (config.content, config.val_folder))
        train.check(photos)
        val.check(val_photos)
        yield train, val
    else:
        assert depth is not None
        with _shared_folder(config.depth_cache, context) as folder:
            # Depth in bfloat16 is not float32's.
            size = _side_seen(config)
            name = f"{depth.card['id']}-{size or training_size(depth.card)}-{precision}"
            cache = DepthCache(folder / name, partial(_on_cpu, config))
            estimate = photo_depth(depth, context.device, precision, size)
            samples = range(first_sample, config.steps * config.batch_size)
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
                wanted = evenly_spread(val_photos, val_count)[:val_count]
                cache.fill(wanted, estimate, show=context.is_main_process)
            context.any(False)  # waits for the others
            yield cache, cache


@contextmanager
def _shared_folder(setting: str | None, context: DistributedContext) -> Iterator[Path]:
    """``cache_folder``, the same for all processes of a machine."""
    with ExitStack() as stack:
        own = ""
        if setting != "off" or context.local_rank == 0:
            own = str(stack.enter_context(cache_folder(setting)))
        yield Path(context.gather([own])[context.ranks_here.start])


def _side_seen(config: StyleTrainConfig) -> int | None:
    """Side of the square that has the area at which the depth network is to see photos, where it is
    not the one it was trained for: as the loss compares them."""
    height, width = config.crop_size
    side = round((height * width) ** 0.5 / config.loss_downscale)
    return side if config.depth_full_size else None


def _on_cpu(config: StyleTrainConfig) -> Estimate:
    """For photos whose turn was not foreseen: one takes the place of another that is broken."""
    depth = load_depth_network(config, config.vgg_weights)
    return photo_depth(depth, torch.device("cpu"), "fp32", _side_seen(config))
