import math

import pytest
import torch

from fststyle.losses.functional import (
    content_loss,
    depth_loss,
    gram_matrix,
    ranking_loss,
    relative_content_loss,
    relative_style_loss,
    stability_loss,
    style_loss,
    total_variation,
)
from tests.conftest import rounding

pytestmark = pytest.mark.numerical


def test_gram_matrix_of_one_hot_maps_counts_pixels() -> None:
    # 4×5 pixels: 15 belong to channel 0, 5 to channel 1, none to channel 2.
    features = torch.zeros(1, 3, 4, 5)
    features[0, 0, :3], features[0, 1, 3] = 1, 1
    expected = torch.diag(torch.tensor([15.0, 5.0, 0.0])) / (3 * 4 * 5)
    torch.testing.assert_close(gram_matrix(features), expected[None])


def test_gram_matrix_is_float32_of_half_precision_maps() -> None:
    features = torch.full((1, 2, 300, 300), 100.0, dtype=torch.float16)  # the sum overflows it
    torch.testing.assert_close(gram_matrix(features), torch.full((1, 2, 2), 5000.0))


def test_content_loss_is_the_mean_square() -> None:
    output, content = torch.tensor([[[[1.0, 2.0]]]]), torch.tensor([[[[0.0, 5.0]]]])
    assert content_loss(output, content).item() == pytest.approx((1 + 9) / 2)


def test_weighted_content_loss_against_a_double_loop() -> None:
    torch.manual_seed(0)
    output, content, weights = (
        torch.rand(2, 3, 4, 5),
        torch.rand(2, 3, 4, 5),
        torch.rand(2, 1, 4, 5),
    )
    total = 0.0
    for n in range(2):
        for i in range(4):
            for j in range(5):
                for c in range(3):
                    square = (output[n, c, i, j] - content[n, c, i, j]).item() ** 2
                    total += weights[n, 0, i, j].item() * square / (3 * 4 * 5) / 2
    assert content_loss(output, content, weights).item() == pytest.approx(total)


def test_weights_of_one_give_the_plain_content_loss_and_gradient() -> None:
    torch.manual_seed(0)
    output, content = torch.rand(2, 2, 16, 8, 8, dtype=torch.float64)
    losses, gradients = [], []
    for weights in (None, torch.ones(2, 1, 8, 8, dtype=torch.float64)):
        x = output.clone().requires_grad_()
        losses.append(content_loss(x, content, weights))
        losses[-1].backward()
        gradients.append(x.grad)
    limit = rounding(2 * 16 * 8 * 8, torch.float64)
    torch.testing.assert_close(losses[1], losses[0], rtol=limit, atol=0)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=limit, atol=0)


def test_depth_loss_is_the_mean_square() -> None:
    output, content = torch.zeros(2, 1, 2, 2), torch.full((2, 1, 2, 2), 3.0)
    content[0] = 1
    assert depth_loss(output, content).item() == pytest.approx((1 + 9) / 2)
    assert depth_loss(output, content, shift_free=True).item() == 0
    output[0, 0, 0] = 2  # half of image 0 is 2 farther: 1 from its mean
    assert depth_loss(output, content, shift_free=True).item() == pytest.approx(1 / 2)


def test_style_loss_sums_over_entries_and_averages_over_the_batch() -> None:
    features = torch.ones(2, 3, 2, 2)
    features[1] = 0
    # Every entry of image 0's Gram matrix is 4/(3·4) = 1/3, of image 1's 0; the target is 0.
    assert style_loss(features, torch.zeros(3, 3)).item() == pytest.approx(9 * (1 / 3) ** 2 / 2)


def test_total_variation_of_a_checkerboard() -> None:
    board = (torch.arange(4)[:, None] + torch.arange(6)) % 2
    image = board.float().expand(2, 3, 4, 6)
    # 3·6 vertical and 4·5 horizontal neighbours differ by 1, in 3 channels, over 24 pixels.
    assert total_variation(image).item() == pytest.approx(3 * (3 * 6 + 4 * 5) / 24)
    assert total_variation(torch.ones(1, 3, 5, 5)).item() == 0


@pytest.mark.parametrize(
    "loss", ["gram", "content", "weighted", "depth", "shift-free depth", "style", "tv"]
)
def test_gradients_in_float64(loss: str) -> None:
    torch.manual_seed(0)
    x = torch.rand(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    other, gram = torch.rand_like(x).detach(), torch.rand(3, 3, dtype=torch.float64)
    weights = torch.rand(2, 1, 4, 5, dtype=torch.float64)
    function = {
        "gram": gram_matrix,
        "content": lambda x: content_loss(x, other),
        "weighted": lambda x: content_loss(x, other, weights),
        "depth": lambda x: depth_loss(x, other),
        "shift-free depth": lambda x: depth_loss(x, other, shift_free=True),
        "style": lambda x: style_loss(x, gram),
        "tv": total_variation,
    }[loss]
    assert torch.autograd.gradcheck(function, (x,))


def _loss_of_maps(name: str, maps: torch.Tensor) -> torch.Tensor:
    """A loss of N×C×H×W ``maps``, its other arguments made of them, in their type."""
    n, _, height, width = maps.shape
    fixed = maps.detach()
    moved = fixed.roll((1, 2), (2, 3)) * 0.75
    rows = torch.linspace(0.25, 4, height, dtype=torch.float64).view(1, 1, -1, 1)
    weights = rows.expand(n, 1, height, width).to(maps)
    one = maps[:, :1]
    functions = {
        "gram": lambda: gram_matrix(maps).square().sum(),
        "style": lambda: style_loss(maps, gram_matrix(moved)[0]),
        "content": lambda: content_loss(maps, moved),
        "weighted": lambda: content_loss(maps, moved, weights),
        "depth": lambda: depth_loss(one, moved[:, :1]),
        "shift-free depth": lambda: depth_loss(one + 8, moved[:, :1], shift_free=True),
        "tv": lambda: total_variation(maps),
        "stability": lambda: stability_loss(maps, moved, (1, 2), 4),
        "ranking": lambda: ranking_loss(
            (100 * one).flatten(1), (one.detach() - 1).sign().flatten(1), one.flatten(1) >= 0
        ),
    }
    return functions[name]()


LOSSES_OF_MAPS = (
    *("gram", "style", "content", "weighted", "depth", "shift-free depth", "tv", "stability"),
    "ranking",
)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", LOSSES_OF_MAPS)
@pytest.mark.parametrize("shape", [(2, 16, 64, 64), (1, 64, 320, 256)])
def test_losses_under_autocast_are_exact(
    dtype: torch.dtype, name: str, shape: tuple[int, ...]
) -> None:
    """Against float64's of the same maps, as active as VGG-19's calibrated ones: on average 1."""
    random = torch.Generator().manual_seed(0)
    maps = (2.5 * torch.randn(shape, generator=random)).relu().to(dtype)
    exact = _loss_of_maps(name, maps.double())
    with torch.autocast("cpu", dtype):
        found = _loss_of_maps(name, maps)
    assert found.dtype == torch.float32
    # Sums are float32's; differences of maps are rounded to the maps' own type, once and at random.
    assert found.item() == pytest.approx(exact.item(), rel=torch.finfo(dtype).eps / 16)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", LOSSES_OF_MAPS)
@pytest.mark.parametrize("inside", [False, True], ids=["outside", "inside"])
def test_gradients_under_autocast_are_exact(dtype: torch.dtype, name: str, inside: bool) -> None:
    """Scaled as GradScaler scales them, to the last digit or two of the maps' type; wherever the
    backward pass runs."""
    scale = 65536.0
    random = torch.Generator().manual_seed(0)
    maps = (2.5 * torch.randn(1, 64, 160, 128, generator=random)).relu().to(dtype)
    exact, half = maps.double().requires_grad_(), maps.clone().requires_grad_()
    (scale * _loss_of_maps(name, exact)).backward()
    with torch.autocast("cpu", dtype):
        loss = scale * _loss_of_maps(name, half)
        if inside:
            loss.backward()
    if not inside:
        loss.backward()
    assert exact.grad is not None and half.grad is not None
    error = (half.grad.double() - exact.grad).norm() / exact.grad.norm()
    assert error < torch.finfo(dtype).eps


def test_half_precision_gradients_are_float32s() -> None:
    torch.manual_seed(0)
    x = torch.rand(2, 16, 8, 8)
    gradients = []
    for dtype in (torch.float32, torch.bfloat16):
        leaf = x.to(dtype, copy=True).requires_grad_()
        (style_loss(leaf, torch.zeros(16, 16)) + content_loss(leaf, leaf.detach() / 2)).backward()
        assert leaf.grad is not None
        gradients.append(leaf.grad.float())
    torch.testing.assert_close(gradients[1], gradients[0], rtol=0.03, atol=1e-5)


def test_ranking_loss_averages_over_pairs_then_over_images_that_have_pairs() -> None:
    difference = torch.tensor([[2.0, -1.0, 3.0, 9.0], [0.5, 9.0, 9.0, 9.0], [9.0] * 4])
    order = torch.tensor([[1.0, 1.0, 0.0, 1.0], [-1.0, 1.0, 1.0, 1.0], [1.0] * 4])
    valid = torch.tensor([[True, True, True, False], [True, False, False, False], [False] * 4])
    first = (math.log1p(math.exp(-2)) + math.log1p(math.exp(1)) + 3**2) / 3
    second = math.log1p(math.exp(0.5))
    loss = ranking_loss(difference, order, valid)
    assert loss.item() == pytest.approx((first + second) / 2)
    assert ranking_loss(difference, order, torch.zeros_like(valid)).item() == 0


@pytest.mark.parametrize(
    ("difference", "order", "loss", "gradient"),
    [
        (1e4, 1.0, 0.0, 0.0),
        (-1e4, 1.0, 1e4, -1.0),
        (1e4, -1.0, 1e4, 1.0),
        (-1e4, 0.0, 1e8, -2e4),
        (0.0, 1.0, math.log(2), -0.5),
    ],
)
def test_ranking_loss_of_extreme_differences(
    difference: float, order: float, loss: float, gradient: float
) -> None:
    d = torch.tensor([[difference]], requires_grad=True)
    value = ranking_loss(d, torch.tensor([[order]]), torch.tensor([[True]]))
    value.backward()
    assert value.item() == pytest.approx(loss)
    assert d.grad is not None and d.grad.item() == pytest.approx(gradient)


def test_ranking_loss_gradient_in_float64() -> None:
    torch.manual_seed(0)
    difference = torch.randn(3, 5, dtype=torch.float64, requires_grad=True)
    order = torch.randint(-1, 2, (3, 5)).double()
    valid = torch.rand(3, 5) > 0.4
    valid[2] = False
    assert torch.autograd.gradcheck(lambda d: ranking_loss(d, order, valid), (difference,))


def test_stability_is_lost_by_what_stays_where_it_was() -> None:
    torch.manual_seed(0)
    content = torch.rand(2, 3, 40, 44)
    move, margin = (3, 1), 4
    moved = content.roll(move, (2, 3))
    assert stability_loss(content, moved, move, margin).item() == 0
    pattern = torch.zeros(1, 1, 40, 44)
    pattern[..., ::2] = 0.5  # of period 2: a move by 1 to the right sets every pixel against it
    loss = stability_loss(content + pattern, moved + pattern, move, margin)
    assert loss.item() == pytest.approx(0.25)
    # The margin does not count, on any side.
    spoilt = moved.clone()
    spoilt[..., : margin + 3, :], spoilt[..., -margin:, :] = 9, 9
    spoilt[..., : margin + 1], spoilt[..., -margin:] = 9, 9
    assert stability_loss(content, spoilt, move, margin).item() == 0


def test_stability_loss_gradient_in_float64() -> None:
    torch.manual_seed(0)
    pair = [torch.rand(2, 2, 9, 8, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(lambda a, b: stability_loss(a, b, (1, 2), 1), pair)


def test_relative_losses_are_0_of_the_target_and_1_of_nothing() -> None:
    torch.manual_seed(0)
    maps, painting = torch.rand(2, 3, 6, 5), gram_matrix(torch.rand(1, 3, 7, 9))[0]
    nothing = torch.zeros_like(maps)
    assert relative_content_loss(maps, maps).item() == 0
    assert relative_content_loss(nothing, maps).item() == pytest.approx(1)
    assert relative_style_loss(nothing, painting).item() == pytest.approx(1)
    assert relative_style_loss(maps, gram_matrix(maps)).item() == pytest.approx(0, abs=1e-12)


def test_relative_losses_do_not_change_with_the_unit_of_the_maps() -> None:
    torch.manual_seed(0)
    output, content = torch.rand(2, 3, 6, 5), torch.rand(2, 3, 6, 5)
    weights, painting = torch.rand(2, 1, 6, 5), torch.rand(1, 3, 7, 9)
    for loss in (
        lambda unit: relative_content_loss(unit * output, unit * content, weights),
        lambda unit: relative_style_loss(unit * output, gram_matrix(unit * painting)[0]),
    ):
        assert loss(8.0).item() == pytest.approx(loss(1.0).item(), rel=rounding(300))


def test_relative_content_loss_weighs_every_image_by_its_own_energy() -> None:
    torch.manual_seed(0)
    output, content = torch.rand(2, 3, 4, 5), torch.rand(2, 3, 4, 5)
    weights = torch.rand(2, 1, 4, 5)
    expected = sum(
        (w * (o - c).square()).sum() / c.square().sum()
        for o, c, w in zip(output, content, weights, strict=True)
    )
    found = relative_content_loss(output, content, weights)
    assert found.item() == pytest.approx(float(expected) / 2, rel=rounding(100))


def test_relative_losses_have_their_gradients() -> None:
    torch.manual_seed(0)
    output = torch.rand(2, 3, 4, 5, dtype=torch.float64, requires_grad=True)
    content = torch.rand(2, 3, 4, 5, dtype=torch.float64)
    weights = torch.rand(2, 1, 4, 5, dtype=torch.float64)
    gram = gram_matrix(torch.rand(1, 3, 7, 9, dtype=torch.float64))[0]
    assert torch.autograd.gradcheck(lambda x: relative_content_loss(x, content, weights), output)
    assert torch.autograd.gradcheck(lambda x: relative_style_loss(x, gram), output)
