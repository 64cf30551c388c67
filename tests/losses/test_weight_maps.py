"""Weight maps and their way through VGG-19."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from fststyle.depth.maps import weight_map_from_depth
from fststyle.losses.weight_maps import content_weights, gradient_weight_map, propagate
from fststyle.networks.vgg import CONVS, VGG19Features

pytestmark = pytest.mark.numerical


def test_the_nearest_pixel_gets_alpha_max_the_farthest_alpha_min_on_a_log_scale() -> None:
    depth = np.array([[0, 1, 2], [4, 3, 4]], np.float32)  # larger = farther
    alpha = content_weights(torch.from_numpy(weight_map_from_depth(depth)), 1, 16)
    torch.testing.assert_close(alpha, torch.tensor([[16.0, 8, 4], [1, 2, 1]]))


def test_a_flat_map_is_the_middle() -> None:
    assert (weight_map_from_depth(np.full((2, 3), 7.0, np.float32)) == 0.5).all()


def test_the_thesis_gradient_goes_from_1_to_10_in_even_ratios() -> None:
    horizontal = content_weights(gradient_weight_map(4, 5, "horizontal"), 1, 10)
    assert horizontal.shape == (1, 1, 4, 5)
    torch.testing.assert_close(horizontal[0, 0, 2], 10 ** torch.linspace(0, 1, 5))
    vertical = content_weights(gradient_weight_map(4, 5, "vertical"), 1, 10)
    torch.testing.assert_close(vertical[0, 0, :, 2], 10 ** torch.linspace(0, 1, 4))


def literally(weights: list[list[float]], layer: str) -> list[list[float]]:
    """The thesis's formulas, position by position."""
    for number, name in enumerate(CONVS):
        if number and name[0] != CONVS[number - 1][0]:
            weights = [
                [sum(weights[2 * i + a][2 * j + b] for a in (0, 1) for b in (0, 1)) / 4
                 for j in range(len(weights[0]) // 2)]
                for i in range(len(weights) // 2)
            ]  # fmt: skip
        height, width = len(weights), len(weights[0])
        mean = []
        for i in range(height):
            row = []
            for j in range(width):
                window = [
                    weights[x][y]
                    for x in range(max(0, i - 1), min(height, i + 2))
                    for y in range(max(0, j - 1), min(width, j + 2))
                ]
                row.append(sum(window) / len(window))
            mean.append(row)
        weights = mean
        if name == layer[4:]:
            return weights
    raise AssertionError(layer)


def test_propagation_against_a_literal_double_loop() -> None:
    torch.manual_seed(0)
    weights = torch.rand(2, 1, 37, 26, dtype=torch.float64)  # odd sizes lose a row, as in VGG
    found = propagate(weights, ["relu1_1", "conv2_2", "relu3_3", "relu4_1"])
    for layer, maps in found.items():
        for image, given in zip(maps, weights, strict=True):
            expected = torch.tensor(literally(given[0].tolist(), layer), dtype=torch.float64)
            torch.testing.assert_close(image[0], expected)


def test_maps_are_of_their_layers_size() -> None:
    image = torch.zeros(1, 3, 53, 70)
    state: dict[str, torch.Tensor] = {}
    channels = 3
    from fststyle.networks.vgg import BLOCKS, TORCHVISION_INDEX

    for name in CONVS[: CONVS.index("5_1") + 1]:
        width = BLOCKS[int(name[0]) - 1][0]
        key = f"features.{TORCHVISION_INDEX[name]}"
        state |= {
            f"{key}.weight": torch.zeros(width, channels, 3, 3),
            f"{key}.bias": torch.zeros(width),
        }
        channels = width
    layers = ["relu1_2", "conv2_1", "relu3_4", "conv4_3", "relu5_1"]
    features = VGG19Features(state, layers)(image, layers)
    for layer, maps in propagate(image[:, :1], layers).items():
        assert maps.shape[-2:] == features[layer].shape[-2:], layer


def test_ones_stay_ones_and_constants_constants_up_to_the_border() -> None:
    layers = ["relu1_2", "relu2_2", "relu3_3", "relu4_3"]
    for maps in propagate(torch.ones(1, 1, 64, 48), layers).values():
        assert torch.equal(maps, torch.ones_like(maps))
    for maps in propagate(torch.full((1, 1, 64, 48), 3.7), layers).values():
        torch.testing.assert_close(maps, torch.full_like(maps, 3.7), rtol=1e-6, atol=0)


@pytest.mark.parametrize("layer", ["relu1_2", "relu2_2", "relu3_3"])
def test_a_step_widens_by_the_receptive_field_and_no_further(layer: str) -> None:
    """Inside the field of a neuron the mean lies strictly between the two sides; outside it is
    theirs. The field is found from what a layer's neurons see of a picture, by their gradients."""
    side, edge = 96, 50
    weights = torch.ones(1, 1, 8, side, dtype=torch.float64)
    weights[..., edge:] = 2
    row = propagate(weights, [layer])[layer][0, 0, 0]
    # The same chain of windows, with sums in the place of means, tells what a neuron sees.
    x = torch.zeros(1, 1, 8, side, dtype=torch.float64, requires_grad=True)
    y, block = x, "1"
    for name in CONVS:
        if name[0] != block:
            y, block = F.avg_pool2d(y, 2), name[0]
        y = F.conv2d(y, torch.ones(1, 1, 3, 3, dtype=torch.float64), padding=1)
        if name == layer[4:]:
            break
    for column in range(y.shape[-1]):
        (seen,) = torch.autograd.grad(y[0, 0, 0, column], x, retain_graph=True)
        columns = seen[0, 0].sum(0).nonzero().flatten()
        left, right = bool((columns < edge).any()), bool((columns >= edge).any())
        value = row[column].item()
        if left and right:
            assert 1 < value < 2
        else:
            assert value == pytest.approx(1 if left else 2, abs=1e-12)


def test_gradients_of_propagation_in_float64() -> None:
    weights = torch.rand(1, 1, 12, 10, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: propagate(w, ["relu2_1"])["relu2_1"], (weights,))
