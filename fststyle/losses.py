"""The loss terms, as pure functions. Each is averaged over the batch and returns a float32 scalar.

F is a feature map of the output, P one of the content, S the style's Gram matrix.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


class _Gram(torch.autograd.Function):
    """AᵀA of each N×P×C matrix A, accumulated in float32 (float64 stays).

    Autograd's own backward pass makes one P×C product for each side and adds them in float32; the
    derivative A(G' + G'ᵀ) needs one, in the features' own type. A third of the time in bfloat16.
    """

    @staticmethod
    def forward(ctx: Any, flat: Tensor) -> Tensor:
        ctx.save_for_backward(flat)
        # Sums over an image need more than 8 or 11 bits, and overflow float16.
        wide = flat.float() if flat.dtype.itemsize == 2 else flat
        return wide.transpose(1, 2) @ wide

    @staticmethod
    def backward(ctx: Any, *grad: Tensor) -> Tensor:
        (flat,) = ctx.saved_tensors
        return flat @ (grad[0] + grad[0].transpose(1, 2)).to(flat.dtype)


class _SumOfSquares(torch.autograd.Function):
    """Σ x², accumulated in float32 (float64 stays), without a float32 copy of x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        wide = torch.float32 if x.dtype.itemsize == 2 else x.dtype
        return torch.linalg.vector_norm(x, dtype=wide).square()

    @staticmethod
    def backward(ctx: Any, *grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return x * (2 * grad[0]).to(x.dtype)


def gram_matrix(features: Tensor) -> Tensor:
    """G_ij = 1/(HWC) Σ_xy a_i(x,y)·a_j(x,y): N×C×H×W to N×C×C, float32 (float64 stays).

    Gatys et al. 2016, eq. 3, divided once by H·W·C as in Johnson et al. 2016, eq. 3.
    """
    n, channels, height, width = features.shape
    flat = features.permute(0, 2, 3, 1).reshape(n, height * width, channels)
    return _Gram.apply(flat) / (channels * height * width)


class _WeightedSumOfSquares(torch.autograd.Function):
    """Σ_c Σ_ij w_ij x_cij² of N×C×H×W and N×1×H×W, accumulated in float32 (float64 stays), without
    a float32 copy of x. The weights get no gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weights: Tensor) -> Tensor:
        ctx.save_for_backward(x, weights)
        wide = torch.float32 if x.dtype.itemsize == 2 else x.dtype
        per_pixel = torch.linalg.vector_norm(x, dim=1, keepdim=True, dtype=wide).square()
        return (per_pixel * weights).sum()

    @staticmethod
    def backward(ctx: Any, *grad: Tensor) -> tuple[Tensor, None]:
        x, weights = ctx.saved_tensors
        return x * (2 * grad[0] * weights).to(x.dtype), None


def content_loss(output: Tensor, content: Tensor, weights: Tensor | None = None) -> Tensor:
    """1/(HWC) Σ_c Σ_ij α_ij (F − P)² of two N×C×H×W feature maps.

    Without ``weights`` α is 1 (Johnson et al. 2016, eq. 2); with them it is N×1×H×W, fixed, of the
    maps' own size (``content_weights.propagate``), as in the thesis, section 4.1.
    """
    difference = output - content
    if weights is None:
        return _SumOfSquares.apply(difference) / output.numel()
    return _WeightedSumOfSquares.apply(difference, weights) / output.numel()


def depth_loss(output: Tensor, content: Tensor, *, shift_free: bool = False) -> Tensor:
    """1/(HW) Σ (D(X) − D(Y))² of two N×1×H×W depth maps, those of the output and of the content
    (Liu et al. 2017; the thesis, section 3.5).

    ``shift_free`` takes its mean over the picture out of D(X) − D(Y) before: relative depth has no
    zero.
    """
    difference = output - content
    if shift_free:
        difference = difference - difference.mean((2, 3), keepdim=True)
    return _SumOfSquares.apply(difference) / output.numel()


def style_loss(output: Tensor, style_gram: Tensor) -> Tensor:
    """Σ_ij (G_ij(F) − S_ij)², of an N×C×H×W map and a C×C (or N×C×C) Gram matrix.

    Summed over the C×C entries, not averaged (Johnson et al. 2016, eq. 4).
    """
    return (gram_matrix(output) - style_gram).square().sum(dim=(1, 2)).mean()


def total_variation(image: Tensor) -> Tensor:
    """1/(HW) Σ (x_{i+1,j} − x_ij)² + (x_{i,j+1} − x_ij)² of N×C×H×W, summed over channels.

    The quadratic form of Mahendran and Vedaldi 2015 (β = 2) that Johnson et al. 2016 use.
    """
    n, _, height, width = image.shape
    down = _SumOfSquares.apply(image[..., 1:, :] - image[..., :-1, :])
    right = _SumOfSquares.apply(image[..., :, 1:] - image[..., :, :-1])
    return (down + right) / (n * height * width)


def stability_loss(output: Tensor, moved: Tensor, move: tuple[int, int], margin: int) -> Tensor:
    """Mean square difference between ``output``, moved, and ``moved``, the output of the moved
    content; both N×C×H×W.

    ``move``: pixels (down, right), 0 or more. ``margin``: pixels at every border that do not count,
    where the two have seen different things.

    The stability that Zheng et al. 2016 train for against noise and Ruder et al. 2018 along
    optical flow, for the smallest motion there is.
    """
    down, right = move
    height, width = output.shape[-2:]
    ours = output[..., margin : height - margin - down, margin : width - margin - right]
    theirs = moved[..., margin + down : height - margin, margin + right : width - margin]
    return _SumOfSquares.apply(ours - theirs) / ours.numel()


def ranking_loss(difference: Tensor, order: Tensor, valid: Tensor) -> Tensor:
    """Mean over pairs, then over images, of log(1 + exp(−r·d)), or d² where r = 0.

    Args:
        difference: d = ẑ_y − ẑ_x, N×P; larger ẑ = farther.
        order: r = 1 where y is farther than x, −1 where it is nearer, 0 where they are equal; N×P.
        valid: which pairs count; an image without any adds nothing.

    Chen et al. 2016, eq. 1, in a form that neither overflows nor loses its gradient for large d.
    """
    loss = torch.where(order == 0, difference.square(), F.softplus(-order * difference))
    counts = valid.sum(1)
    means = torch.where(valid, loss, 0.0).sum(1) / counts.clamp(min=1)
    return means.sum() / (counts > 0).sum().clamp(min=1)
