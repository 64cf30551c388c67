"""The loss terms, as pure functions. Each is averaged over the batch and returns a float32 scalar.

F is a feature map of the output, P one of the content, S the style's Gram matrix.

Maps may be of either half type, and autocast may be on: sums and products are float32's all the
same, so that a loss is as exact as the maps that it is given.
"""

import functools
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec

import torch
import torch.nn.functional as F
from torch import Tensor

P = ParamSpec("P")


def _without_autocast(
    function: Callable[Concatenate[Tensor, P], Tensor],
) -> Callable[Concatenate[Tensor, P], Tensor]:
    """``function`` with autocast off for the device of its first argument: it would cast products
    of float32 back to the half type, in which sums over an image lose their last digits (bfloat16)
    or overflow (float16)."""

    @functools.wraps(function)
    def exact(first: Tensor, /, *args: P.args, **kwargs: P.kwargs) -> Tensor:
        with torch.autocast(first.device.type, enabled=False):
            return function(first, *args, **kwargs)

    return exact


def _wide(x: Tensor) -> Tensor:
    """float32 of either half type; float32 and float64 as they are."""
    return x.float() if x.dtype.itemsize == 2 else x


def _factored(x: Tensor, factor: Tensor) -> Tensor:
    """``x`` · ``factor``, a float32 scalar or map, in the type of ``x``.

    float16 begins at 6e-8, and the derivative of a mean over 10⁸ numbers lies below: there the
    product is float32's. bfloat16 has float32's range.
    """
    if x.dtype == torch.float16:
        return (x.float() * factor).half()
    return x * factor.to(x.dtype)


class _Gram(torch.autograd.Function):
    """AᵀA of each N×P×C matrix A, accumulated in float32 (float64 stays).

    Autograd's own backward pass makes one P×C product for each side and adds them in float32; the
    derivative A(G' + G'ᵀ) needs one, in the features' own type where its range allows that. A
    third of the time in bfloat16.
    """

    @staticmethod
    def forward(ctx: Any, flat: Tensor) -> Tensor:
        ctx.save_for_backward(flat)
        with torch.autocast(flat.device.type, enabled=False):
            # Sums over an image need more than 8 or 11 bits, and overflow float16.
            wide = _wide(flat)
            return wide.transpose(1, 2) @ wide

    @staticmethod
    def backward(ctx: Any, *grad: Tensor) -> Tensor:
        (flat,) = ctx.saved_tensors
        symmetric = grad[0] + grad[0].transpose(1, 2)
        with torch.autocast(flat.device.type, enabled=False):
            if flat.dtype == torch.float16:  # in which G' underflows, see _factored
                return (flat.float() @ symmetric).half()
            return flat @ symmetric.to(flat.dtype)


def _per_pixel(x: Tensor) -> Tensor:
    """Σ_c x_cij² of N×C×H×W: N×1×H×W, float32 (float64 stays).

    On the CPU ``vector_norm`` of a whole tensor adds one number after the other: of 33 million it
    loses 0.15 %. Of channels, then ``sum`` in pairs, it loses nothing.
    """
    wide = torch.float32 if x.dtype.itemsize == 2 else x.dtype
    return torch.linalg.vector_norm(x, dim=1, keepdim=True, dtype=wide).square()


class _SumOfSquares(torch.autograd.Function):
    """Σ x² of N×C×H×W, accumulated in float32 (float64 stays), without a float32 copy of x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return _per_pixel(x).sum()

    @staticmethod
    def backward(ctx: Any, *grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return _factored(x, 2 * grad[0])


@_without_autocast
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
        return (_per_pixel(x) * _wide(weights)).sum()

    @staticmethod
    def backward(ctx: Any, *grad: Tensor) -> tuple[Tensor, None]:
        x, weights = ctx.saved_tensors
        return _factored(x, 2 * grad[0] * _wide(weights)), None


@_without_autocast
def content_loss(output: Tensor, content: Tensor, weights: Tensor | None = None) -> Tensor:
    """1/(HWC) Σ_c Σ_ij α_ij (F − P)² of two N×C×H×W feature maps.

    Without ``weights`` α is 1 (Johnson et al. 2016, eq. 2); with them it is N×1×H×W, fixed, of the
    maps' own size (``weight_maps.propagate``), as in the thesis, section 4.1.
    """
    difference = output - content
    if weights is None:
        return _SumOfSquares.apply(difference) / output.numel()
    return _WeightedSumOfSquares.apply(difference, weights) / output.numel()


@_without_autocast
def depth_loss(output: Tensor, content: Tensor, *, shift_free: bool = False) -> Tensor:
    """1/(HW) Σ (D(X) − D(Y))² of two N×1×H×W depth maps, those of the output and of the content
    (Liu et al. 2017; the thesis, section 3.5).

    ``shift_free`` takes its mean over the picture out of D(X) − D(Y) before: relative depth has no
    zero.
    """
    difference = _wide(output) - _wide(content)
    if shift_free:
        difference = difference - difference.mean((2, 3), keepdim=True)
    return _SumOfSquares.apply(difference) / output.numel()


@_without_autocast
def style_loss(output: Tensor, style_gram: Tensor) -> Tensor:
    """Σ_ij (G_ij(F) − S_ij)², of an N×C×H×W map and a C×C (or N×C×C) Gram matrix.

    Summed over the C×C entries, not averaged (Johnson et al. 2016, eq. 4).
    """
    return (gram_matrix(output) - _wide(style_gram)).square().sum(dim=(1, 2)).mean()


@_without_autocast
def relative_content_loss(output: Tensor, content: Tensor, weights: Tensor | None = None) -> Tensor:
    """Σ α_ij (F − P)² / Σ P² of two N×C×H×W feature maps, the mean over the N images.

    0 where the photo is kept, about 1 where nothing of it is left. ``weights`` as ``content_loss``
    takes them; in the denominator every pixel counts alike.
    """
    with torch.no_grad():
        energy = _per_pixel(content).sum((2, 3), keepdim=True)
        share = 1 / energy.clamp(min=torch.finfo(energy.dtype).tiny)
        share = share * _wide(weights) if weights is not None else share
        share = share.expand(-1, 1, *output.shape[-2:])
    return _WeightedSumOfSquares.apply(output - content, share) / len(output)


@_without_autocast
def relative_style_loss(output: Tensor, style_gram: Tensor, parts: Tensor | None = None) -> Tensor:
    """Σ_ij (G_ij(F) − S_ij)² / Σ_ij S_ij², of an N×C×H×W map and a C×C (or N×C×C) Gram matrix;
    ``parts``: factors of the N images, 1 by default.

    0 for the painting's own statistics, 1 for a flat grey picture whose maps are 0: it means the
    same in every layer and for every painting, where ``style_loss`` is ruled by the layers and
    paintings of strong contrast.
    """
    target = _wide(style_gram)
    error = (gram_matrix(output) - target).square().sum(dim=(1, 2))
    errors = error / target.square().sum(dim=(-2, -1))
    return (errors if parts is None else errors * parts).mean()


@_without_autocast
def total_variation(image: Tensor) -> Tensor:
    """1/(HW) Σ (x_{i+1,j} − x_ij)² + (x_{i,j+1} − x_ij)² of N×C×H×W, summed over channels.

    The quadratic form of Mahendran and Vedaldi 2015 (β = 2) that Johnson et al. 2016 use.
    """
    n, _, height, width = image.shape
    down = _SumOfSquares.apply(image[..., 1:, :] - image[..., :-1, :])
    right = _SumOfSquares.apply(image[..., :, 1:] - image[..., :, :-1])
    return (down + right) / (n * height * width)


@_without_autocast
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


@_without_autocast
def followed_loss(output: Tensor, moved: Tensor, valid: Tensor) -> Tensor:
    """Mean square difference between ``output`` as a moved camera sees it and ``moved``, the output
    of what that sees, N×C×H×W, where ``valid``, N×1×H×W, is 1; 0 where nothing is.

    The temporal loss of Ruder et al. 2018, for motion that is known exactly.
    """
    square = (valid * (_wide(output) - _wide(moved)).square()).sum()
    return square / (output.shape[1] * valid.sum()).clamp(min=1)


def picture_losses(output: Tensor, wanted: Tensor) -> dict[str, Tensor]:
    """By name, how N×3×H×W ``output`` differs from ``wanted``, sides of ``WINDOW`` at least; mean
    absolute differences, float32 scalars:

    - "picture": of the pixels;
    - "strokes": of the differences between neighbours along both axes, which hold outlines and
      strokes that the first alone blurs;
    - "contrast": of the standard deviations of lightness and of colour, in four directions, in
      windows, as SSIM's contrast (Wang et al. 2004). Where the place of a stroke cannot be told,
      the first two are least for none at all, and pictures turn pale;
    - "colour": of two opponent colours, means of squares of 4 pixels. Most of a picture's
      differences are of lightness, and without this palettes shrink to one axis, as from orange to
      blue.

    >>> halves = torch.tensor([0.0, 1.0]).repeat_interleave(8).expand(1, 3, 16, 16)
    >>> {name: round(term.item(), 3) for name, term in picture_losses(halves, 0 * halves).items()}
    {'picture': 0.5, 'strokes': 0.067, 'contrast': 0.098, 'colour': 0.0}
    """
    output, wanted = _wide(output), _wide(wanted)
    difference = output - wanted
    strokes = difference.diff(dim=-1).abs().mean() + difference.diff(dim=-2).abs().mean()
    contrast = (_deviations(output) - _deviations(wanted)).abs().mean()
    colour = _opponents(F.avg_pool2d(difference, 4))[:, 1:3].abs().mean()
    return {
        "picture": difference.abs().mean(),
        "strokes": strokes,
        "contrast": contrast,
        "colour": colour,
    }


WINDOW = 16
"""Side of the windows that contrast is told of, in pixels."""


def _deviations(image: Tensor) -> Tensor:
    """N×5×H'×W' standard deviations of ``_opponents`` in windows."""
    opponents = _opponents(image)
    mean, square = (F.avg_pool2d(x, WINDOW, WINDOW // 2) for x in (opponents, opponents**2))
    return ((square - mean**2).clamp_min(0) + 1e-4).sqrt()


def _opponents(image: Tensor) -> Tensor:
    """N×3×H×W RGB to N×5×H×W: lightness, red − green, blue − yellow, and these two's sum and
    difference, since colours may vary along one of them alone."""
    red, green, blue = image.unbind(1)
    first, second = red - green, blue - (red + green) / 2
    return torch.stack([image.mean(1), first, second, first + second, first - second], 1)


@_without_autocast
def ranking_loss(difference: Tensor, order: Tensor, valid: Tensor) -> Tensor:
    """Mean over pairs, then over images, of log(1 + exp(−r·d)), or d² where r = 0.

    Args:
        difference: d = ẑ_y − ẑ_x, N×P; larger ẑ = farther.
        order: r = 1 where y is farther than x, −1 where it is nearer, 0 where they are equal; N×P.
        valid: which pairs count; an image without any adds nothing.

    Chen et al. 2016, eq. 1, in a form that neither overflows nor loses its gradient for large d.
    """
    difference, order = _wide(difference), _wide(order)
    loss = torch.where(order == 0, difference.square(), F.softplus(-order * difference))
    counts = valid.sum(1)
    means = torch.where(valid, loss, 0.0).sum(1) / counts.clamp(min=1)
    return means.sum() / (counts > 0).sum().clamp(min=1)
