import pytest
import torch
from torch import Tensor

from fststyle.data.depth.pairs import Pairs, differences, sample_pairs

NAN = torch.nan


def ramp(height: int = 40, width: int = 50) -> Tensor:
    """Depth grows by 1 a row, 0 to height − 1."""
    return torch.arange(height).float()[:, None].expand(1, 1, height, width).contiguous()


def sample(depth: Tensor, count: int = 500, seed: int = 0, **options: float | None) -> Pairs:
    return sample_pairs(depth, count, torch.Generator().manual_seed(seed), **options)  # type: ignore[arg-type]


def test_orders_on_a_ramp() -> None:
    depth = torch.cat([ramp(), -ramp()])
    first, second, order, valid = sample(depth)
    assert first.shape == second.shape == order.shape == valid.shape == (2, 500)
    rows = second // 50 - first // 50
    sign = torch.tensor([[1.0], [-1.0]])
    torch.testing.assert_close(order[valid], (rows.sign() * sign)[valid])
    assert torch.equal(valid, rows != 0) and valid.float().mean() > 0.9
    torch.testing.assert_close(differences(depth, Pairs(first, second, order, valid)), rows * sign)


@pytest.mark.parametrize("max_distance", [None, 8])
def test_gaps(max_distance: int | None) -> None:
    depth = ramp(41)  # range 40: 0.1 of it are 4 rows, 0.05 are 2
    pairs = sample(depth, max_distance=max_distance, min_gap=0.1, equal_gap=0.05)
    gap = differences(depth, pairs).abs()
    judged = ((gap >= 4) | (gap <= 2)) & (pairs.first != pairs.second)
    assert not (pairs.valid & ~judged).any() and pairs.valid.sum() > 0.9 * judged.sum()
    assert torch.equal((pairs.order == 0)[pairs.valid], (gap <= 2)[pairs.valid])
    assert not (sample(depth, max_distance=max_distance).order[pairs.valid] == 0).all()


def test_near_pairs_cover_their_circle_evenly() -> None:
    depth = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(1))
    first, second, _, valid = sample(depth, 200_000, max_distance=5, min_gap=0.0)
    middle = valid & ((first // 64 - 32).abs() < 20) & ((first % 64 - 32).abs() < 20)
    y, x = (second // 64 - first // 64)[middle], (second % 64 - first % 64)[middle]
    assert (y**2 + x**2).max() == 25
    counts = torch.zeros(11, 11).index_put((y + 5, x + 5), torch.tensor(1.0), accumulate=True)
    at = torch.arange(-5, 6)
    distance = at[:, None] ** 2 + at**2
    inside = (distance <= 25) & (distance > 0)
    expected = counts.sum() / inside.sum()  # about 900 each: 30 are one standard deviation
    assert counts[~inside].sum() == 0
    assert ((counts[inside] - expected).abs() < 5 * expected.sqrt()).all()


def test_first_pixels_cover_the_known_ones_evenly() -> None:
    depth = ramp(4, 5)
    depth[0, 0, :2] = NAN
    first = sample(depth, 20_000).first
    counts = torch.bincount(first[0], minlength=20)
    assert (counts[:10] == 0).all() and ((counts[10:] - 2000).abs() < 250).all()


def test_unknown_pixels_are_never_used_and_sparse_maps_get_pairs() -> None:
    random = torch.Generator().manual_seed(2)
    depth = torch.rand(3, 1, 60, 80, generator=random)
    for i, known in enumerate((0.05, 0.5, 1.0)):  # LiDAR's share is about 0.05
        depth[i, torch.rand(1, 60, 80, generator=random) > known] = NAN
    for max_distance, least in ((None, 0.95), (20, 0.6)):
        pairs = sample(depth, max_distance=max_distance)
        assert (pairs.valid.float().mean(1) > least).all()
        flat = depth.flatten(1)
        gap = flat.gather(1, pairs.second) - flat.gather(1, pairs.first)
        assert gap[pairs.valid].isfinite().all()
        assert torch.equal(gap.sign()[pairs.valid], pairs.order[pairs.valid])


@pytest.mark.parametrize("max_distance", [None, 4])
@pytest.mark.parametrize("together", [True, False])
def test_maps_with_hardly_a_known_pixel_have_no_pair(
    max_distance: int | None, together: bool
) -> None:
    empty, single = torch.full((2, 1, 9, 9), NAN).split(1)
    full = ramp(9, 9)
    single[0, 0, 4, 4] = 1
    depth = torch.cat([empty, full, single, empty]) if together else torch.cat([empty, single])
    pairs = sample(depth, max_distance=max_distance, equal_gap=1.0)
    assert pairs.valid.any(1).tolist() == ([False, True, False, False] if together else [False] * 2)
    assert (torch.stack([pairs.first, pairs.second]) < 81).all()


def test_two_pixels_of_one_depth_are_an_equal_pair_where_such_are_wanted() -> None:
    depth = torch.full((1, 1, 9, 9), NAN)
    depth[0, 0, 2, 3] = depth[0, 0, 7, 1] = 0
    assert not sample(depth).valid.any()
    pairs = sample(depth, equal_gap=0.02)
    assert torch.equal(pairs.valid, pairs.first != pairs.second) and pairs.valid.any()
    assert (pairs.order == 0).all()


def test_same_generator_same_pairs() -> None:
    for max_distance in (None, 7):
        one, again, other = (sample(ramp(), seed=s, max_distance=max_distance) for s in (1, 1, 2))
        assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
        assert not torch.equal(one.first, other.first)
