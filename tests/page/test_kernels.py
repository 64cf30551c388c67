"""What the page's own kernels are given; what they make of it is looked at in a browser."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from fststyle.page.kernels import BLOCK, kernels_of
from fststyle.sessions.style_layers import style_layers
from fststyle.utils.pretrained import shipped_styles


@pytest.mark.parametrize("name", ["great_wave_live", "great_wave"])
def test_all_numbers_are_there_in_order(name: str) -> None:
    model = onnx.load(shipped_styles()[name])
    kernels, layers = kernels_of(model), style_layers(model.graph)
    assert kernels and kernels.mapped
    assert kernels.width == (8 if name.endswith("_live") else 32)
    groups = [layers.convolutions, layers.norms, layers.modulations]
    biases = sum(bias.size for _, bias in layers.convolutions[:-1])  # which norms take away
    whole = sum(array.size for group in groups for pair in group for array in pair)
    assert kernels.numbers.size == whole - biases
    kernel = layers.convolutions[0][0][:BLOCK]  # C'×C×k×k
    begin = kernels.numbers[: kernel.size].reshape(9, 9, 3, BLOCK)
    np.testing.assert_array_equal(begin, kernel.transpose(2, 3, 1, 0))
    reds = kernels.numbers[-12:].reshape(4, 3)[:, 0]
    np.testing.assert_array_equal(reds, layers.convolutions[-1][1][:4])


def test_what_they_cannot_compute_is_left_to_the_other_engine(
    mapped: Path, mapless: Path, exported: Callable[..., Path]
) -> None:
    assert kernels_of(onnx.load(mapped)) is None  # its width is 4
    kernels = kernels_of(onnx.load(mapless))
    assert kernels and not kernels.mapped
    assert kernels_of(onnx.ModelProto()) is None
