import pytest
import torch

from fststyle.losses.dense_depth import SCALES, dense_depth_losses, depth_ranks

pytestmark = pytest.mark.numerical


def ramp(height: int = 16, width: int = 24) -> torch.Tensor:
    """Depth that grows to the right, 1×1×H×W."""
    return torch.arange(width, dtype=torch.float32).expand(1, 1, height, width).clone()


def test_ranks_are_the_same_for_depth_its_logarithm_and_less_its_inverse() -> None:
    depth = torch.rand(2, 1, 5, 7, generator=torch.Generator().manual_seed(0)) + 0.1
    ranks = depth_ranks(depth)
    assert ranks.min() > 0 and ranks.max() < 1
    torch.testing.assert_close(ranks.mean((1, 2, 3)), torch.tensor([0.5, 0.5]))
    for same in (depth.log(), -1 / depth, 3 * depth - 7):
        torch.testing.assert_close(depth_ranks(same), ranks)


def test_ranks_of_known_pixels_alone() -> None:
    depth = torch.tensor([[[[5.0, torch.nan], [3.0, 3.0]]]])
    ranks = depth_ranks(depth).flatten()
    torch.testing.assert_close(ranks[[0, 2, 3]], torch.tensor([5 / 6, 1 / 3, 1 / 3]))
    assert ranks[1].isnan()
    assert depth_ranks(torch.full((1, 1, 2, 2), torch.nan)).isnan().all()


def test_scale_and_shift_cost_nothing_and_the_wrong_order_does() -> None:
    for term in dense_depth_losses(0.2 * ramp() - 30, ramp()):
        assert term < 1e-5
    difference, gradient = dense_depth_losses(-ramp(), ramp())
    # Both have a mean absolute deviation of 1, so they are 2 apart on average.
    assert difference.item() == pytest.approx(2, rel=0.05)
    # 24 columns deviate by 6 on average, so a step is 1/6, and the steps are twice that apart.
    assert gradient.item() == pytest.approx(sum(2 * 2**s / 6 for s in range(SCALES)), rel=0.05)


def test_a_blurred_outline_costs_more_by_its_gradient() -> None:
    edge = (ramp() >= 12).float()
    blurred = (ramp() - 11.5).clamp(-3, 3)
    _, sharp_cost = dense_depth_losses(edge + 1, edge)
    _, blurred_cost = dense_depth_losses(blurred, edge)
    assert sharp_cost < 1e-5 and blurred_cost > 0.3


def test_what_is_not_known_has_no_part_and_a_gradient_stays_finite() -> None:
    target, pred = ramp(), ramp()
    target[..., :8], pred[..., :8] = torch.nan, 1000
    assert all(term < 1e-5 for term in dense_depth_losses(pred, target))
    flat = torch.zeros_like(pred).requires_grad_()
    nothing = torch.full_like(target, torch.nan)
    torch.stack(
        [*dense_depth_losses(flat, target), *dense_depth_losses(flat, nothing)]
    ).sum().backward()
    assert flat.grad is not None and flat.grad.isfinite().all()


def test_a_flat_map_adds_nothing() -> None:
    flat = torch.full((1, 1, 16, 24), 3.0)
    assert all(term == 0 for term in dense_depth_losses(ramp(), flat))
