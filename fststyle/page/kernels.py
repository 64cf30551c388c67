"""Style networks as the page's own kernels, transform.c, take them."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import onnx

from fststyle.sessions.style_layers import StyleLayers, style_layers

BLOCK, LAST = 8, 12
"""Channels that the kernels make at once; of the last convolution, red, green and blue of four
pixels."""
WIDEST = 64
RESIDUAL = 3
"""The first convolution of the residual blocks, of which there are five with two each."""
ENLARGING = 13
"""The first convolution that makes four pixels at once."""


class Kernels(NamedTuple):
    """``width``: channels at the picture's size. ``mapped``: whether a weight map acts.
    ``numbers``: float32, in the order in which transform.c reads them."""

    width: int
    mapped: bool
    numbers: np.ndarray


def kernels_of(model: onnx.ModelProto) -> Kernels | None:
    """The numbers of an exported style network; None where the kernels cannot compute it: where it
    is in 8 bits, has other widths than they take, or is no network of ``TransformNet``'s form."""
    layers = style_layers(model.graph)
    width = len(layers.convolutions[0][1]) if layers.convolutions else 0
    if width % BLOCK or not 0 < width <= WIDEST or _shapes(layers) != _expected_shapes(width):
        return None
    if len(layers.norms) != len(layers.convolutions) - 1 or len(layers.modulations) not in (0, 5):
        return None
    mapped = bool(layers.modulations)
    numbers = np.concatenate([part.ravel() for part in _parts(layers)])
    return Kernels(width, mapped, numbers.astype("<f4"))


def _shapes(layers: StyleLayers) -> list[tuple[int, ...]]:
    return [kernel.shape for kernel, _ in layers.convolutions]


def _expected_shapes(width: int) -> list[tuple[int, ...]]:
    return [
        (width, 3, 9, 9),
        (2 * width, width, 3, 3),
        (4 * width, 2 * width, 3, 3),
        *[(4 * width, 4 * width, 3, 3)] * 10,
        (8 * width, 4 * width, 2, 2),
        (4 * width, 2 * width, 2, 2),
        (LAST, width, 10, 10),
    ]


def _parts(layers: StyleLayers) -> Iterator[np.ndarray]:
    modulations = iter(layers.modulations)
    *inner, (last, bias) = layers.convolutions
    for number, ((kernel, _), norm) in enumerate(zip(inner, layers.norms, strict=True)):
        yield _blocks(_by_pixel(kernel) if number >= ENLARGING else kernel, BLOCK)
        yield from norm  # and no bias, which the norm takes away
        if RESIDUAL <= number < ENLARGING and number % 2:
            yield from next(modulations, ())
    yield _blocks(_by_pixel(last), LAST)
    yield _by_pixel(bias)


def _blocks(kernel: np.ndarray, size: int) -> np.ndarray:
    """C'×C×k×k to C'/size×k×k×C×size."""
    blocks = kernel.reshape(-1, size, *kernel.shape[1:])
    return blocks.transpose(0, 3, 4, 2, 1)


def _by_pixel(values: np.ndarray) -> np.ndarray:
    """What a pixel shuffle orders by channel, the four pixels of each together, by pixel."""
    return values.reshape(-1, 4, *values.shape[1:]).swapaxes(0, 1).reshape(values.shape)
