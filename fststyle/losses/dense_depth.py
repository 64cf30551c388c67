"""Losses of depth networks on whole maps, beside those on pairs of pixels: they sharpen outlines.

Maps of different sources agree in the order of depths alone: some tell depth, some its inverse,
some neither. So each is replaced by its ranks first, which all of them have in common.
"""

import torch
from torch import Tensor

SCALES = 4
"""Of the gradients (Ranftl et al. 2020, section 3)."""


@torch.no_grad()
def depth_ranks(depth: Tensor) -> Tensor:
    """The part of a map's known pixels that are nearer, those as far counted half: N×1×H×W, NaN
    where unknown, to the same in [0,1].

    >>> depth_ranks(torch.tensor([[[[2.0, 7.0], [7.0, 9.0]]]])).flatten().tolist()
    [0.125, 0.5, 0.5, 0.875]
    """
    flat = depth.flatten(1).float()
    known = ~flat.isnan()
    ordered = flat.nan_to_num(torch.inf).sort(1).values
    below = torch.searchsorted(ordered, flat.nan_to_num(torch.inf))
    not_above = torch.searchsorted(ordered, flat.nan_to_num(torch.inf), right=True)
    ranks = (below + not_above) / (2.0 * known.sum(1, keepdim=True).clamp(min=1))
    return torch.where(known, ranks, torch.nan).view_as(depth)


def dense_depth_losses(pred: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """(mean difference, mean difference of gradients) of two maps that both have median 0 and mean
    absolute deviation 1; scalars.

    Args:
        pred: N×1×H×W, of any scale and shift.
        target: the same, NaN where unknown; larger = farther in both.

    Ranftl et al. 2020, eqs. 4, 5 and 7, without trimming. Gradients are taken at ``SCALES`` scales,
    where both their pixels are known; a map without two different known depths adds nothing.
    """
    pred, known = pred.float(), ~target.isnan()
    high = target.nan_to_num(-torch.inf).amax((1, 2, 3), keepdim=True)
    known &= high > target.nan_to_num(torch.inf).amin((1, 2, 3), keepdim=True)
    residual = torch.where(known, _standard(pred, known) - _standard(target, known), 0.0)
    count = known.sum((1, 2, 3)).clamp(min=1)
    difference = (residual.abs().sum((1, 2, 3)) / count).mean()
    gradients = []
    for scale in range(SCALES):
        r, k = residual[..., :: 2**scale, :: 2**scale], known[..., :: 2**scale, :: 2**scale]
        for dim in (2, 3):
            both = k.narrow(dim, 1, k.shape[dim] - 1) & k.narrow(dim, 0, k.shape[dim] - 1)
            steps = torch.where(both, r.diff(dim=dim), 0.0).abs()
            gradients.append((steps.sum((1, 2, 3)) / both.sum((1, 2, 3)).clamp(min=1)).mean())
    return difference, torch.stack(gradients).sum()


def _standard(x: Tensor, known: Tensor) -> Tensor:
    """Each map of ``x`` with median 0 and mean absolute deviation 1 over its known pixels."""
    flat = torch.where(known, x, torch.nan).flatten(1)
    centred = x - flat.nanmedian(1).values.nan_to_num().view(-1, 1, 1, 1)
    spread = torch.where(known, centred, 0.0).abs().flatten(1).sum(1) / known.flatten(1).sum(
        1
    ).clamp(min=1)
    return centred / spread.clamp(min=1e-4).view(-1, 1, 1, 1)
