"""Pairs of pixels whose order of depth is known."""

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

MOST_TRIES = 32
"""Places tried at most for the second pixel of a pair, so that one is found in sparse maps."""


class Pairs(NamedTuple):
    """``first``, ``second``: N×P indices into each flattened H×W map. ``order``: N×P float32, 1
    where the second pixel is farther, −1 where the first is, 0 where both count as equally far.
    ``valid``: N×P, whether the pair counts."""

    first: Tensor
    second: Tensor
    order: Tensor
    valid: Tensor


def sample_pairs(
    depth: Tensor,
    count: int,
    generator: torch.Generator | None = None,
    *,
    max_distance: int | None = None,
    min_gap: float = 0.01,
    equal_gap: float = 0.0,
) -> Pairs:
    """``count`` random pairs of each map of ``depth``, N×1×H×W, larger = farther, NaN = unknown.

    A pair is ordered where its gap is at least ``min_gap`` of the map's range, equal where it is
    at most ``equal_gap`` of it (never if that is 0), and does not count in between. With
    ``max_distance`` (≥ 1) the pixels of a pair are at most so many pixels apart, each place within
    that circle equally likely: with 40 and 0.01 the rule of the thesis's fine-tuning on KITTI
    (reference, section 4).
    """
    n, _, height, width = depth.shape
    flat = depth.reshape(n, height * width)
    known = ~flat.isnan()
    amount = known.sum(1, keepdim=True)
    # The known pixels of all maps in one list, those of a map together.
    places = known.nonzero()[:, 1]
    if len(places) == 0:
        places = places.new_zeros(1)
    begin = amount.cumsum(0) - amount

    def draw(*shape: int) -> Tensor:
        return torch.rand(*shape, device=depth.device, generator=generator)

    def any_known() -> Tensor:
        within = (draw(n, count) * amount).long().clamp(max=amount - 1)
        return places[(begin + within).clamp(0, len(places) - 1)]

    first = any_known()
    if max_distance is None:
        second = any_known()
        has_second = torch.ones_like(first, dtype=torch.bool)
    else:
        # As the sparsest map needs them: LiDAR's may come together with dense ones.
        share = torch.where(amount > 1, amount, height * width).min() / (height * width)
        tries = min(MOST_TRIES, 1 + int(3 / share.clamp(min=0.01)))
        circle = _circle(max_distance, depth.device)
        step = circle[(draw(n, count, tries) * len(circle)).long().clamp(max=len(circle) - 1)]
        y = (first // width).unsqueeze(-1) + step[..., 0]
        x = (first % width).unsqueeze(-1) + step[..., 1]
        inside = (y >= 0) & (y < height) & (x >= 0) & (x < width)
        tried = torch.where(inside, y * width + x, 0)
        good = inside & known.gather(1, tried.flatten(1)).view_as(tried)
        has_second, at = good.max(-1)
        second = tried.gather(-1, at.unsqueeze(-1)).squeeze(-1)
    filled = flat.nan_to_num(0.0)
    gap = filled.gather(1, second) - filled.gather(1, first)
    low = flat.nan_to_num(torch.inf).amin(1, keepdim=True)
    high = flat.nan_to_num(-torch.inf).amax(1, keepdim=True)
    range_ = (high - low).clamp(min=0)
    ordered = (gap.abs() >= min_gap * range_) & (gap != 0)
    equal = (gap.abs() <= equal_gap * range_) & (equal_gap > 0)
    valid = has_second & (amount > 1) & (ordered | equal) & (first != second)
    return Pairs(first, second, torch.where(ordered, gap.sign(), 0.0), valid)


@lru_cache(maxsize=8)
def _circle(radius: int, device: torch.device) -> Tensor:
    """The steps (y, x) from a pixel to the others at most ``radius`` away: K×2."""
    y = torch.arange(-radius, radius + 1, device=device).unsqueeze(1)
    x = y.T
    return ((y**2 + x**2 <= radius**2) & ((y != 0) | (x != 0))).nonzero() - radius


def differences(pred: Tensor, pairs: Pairs) -> Tensor:
    """ẑ(second) − ẑ(first) for N×1×H×W predictions: N×P, float32."""
    flat = pred.flatten(1).float()
    return flat.gather(1, pairs.second) - flat.gather(1, pairs.first)
