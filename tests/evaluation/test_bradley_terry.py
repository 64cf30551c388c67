import numpy as np
import pytest

from fststyle.evaluation.bradley_terry import Comparisons, Strengths, Z, fit, parts


def comparisons(*rows: tuple[int, int, float]) -> Comparisons:
    first, second, won = zip(*rows, strict=True)
    return Comparisons(np.array(first), np.array(second), np.array(won))


def simulated(true: np.ndarray, count: int, random: np.random.Generator) -> Comparisons:
    """Comparisons of methods whose scores are ``true``."""
    first = random.integers(0, len(true), count)
    second = (first + random.integers(1, len(true), count)) % len(true)
    won = random.random(count) < 1 / (1 + np.exp(true[second] - true[first]))
    return Comparisons(first, second, won.astype(float))


@pytest.mark.parametrize("won, lost", [(7, 3), (30, 30), (10, 0)])
def test_two_methods(won: int, lost: int) -> None:
    """log((w + ½) / (l + ½)), and the deviation of a logarithm of odds, 1 / √(n p (1 − p))."""
    strengths = fit(comparisons(*[(0, 1, 1.0)] * won, *[(1, 0, 1.0)] * lost), 2)
    value, low, high = strengths.difference(0, 1)
    assert value == pytest.approx(np.log((won + 0.5) / (lost + 0.5)), abs=1e-9)
    rate = (won + 0.5) / (won + lost + 1)
    deviation = ((won + lost) * rate * (1 - rate)) ** -0.5
    assert (high - value, value - low) == pytest.approx((Z * deviation,) * 2)
    assert strengths.score(0)[0] == pytest.approx(value / 2)
    assert strengths.scores.sum() == pytest.approx(0, abs=1e-12)


def test_many_votes_leave_nothing_of_the_penalty() -> None:
    strengths = fit(comparisons(*[(0, 1, 1.0)] * 60000, *[(0, 1, 0.0)] * 20000), 2)
    assert strengths.difference(0, 1)[0] == pytest.approx(np.log(3), abs=1e-4)


def test_a_tie_is_half_a_win_each() -> None:
    tied = fit(comparisons(*[(0, 1, 1.0)] * 6, *[(0, 1, 0.5)] * 4), 2)
    split = fit(comparisons(*[(0, 1, 1.0)] * 8, *[(0, 1, 0.0)] * 2), 2)
    np.testing.assert_allclose(tied.scores, split.scores)
    np.testing.assert_allclose(tied.covariances, split.covariances)


def test_many_comparisons_give_back_the_true_scores() -> None:
    true = np.array([0.0, 0.5, 1.0, -1.0])
    found = simulated(true, 200000, np.random.default_rng(0))
    strengths = fit(found, 4)
    np.testing.assert_allclose(strengths.scores, true - true.mean(), atol=0.03)


def test_neither_order_nor_sides_nor_numbers_matter() -> None:
    random = np.random.default_rng(1)
    found, picture = simulated(np.array([0.0, 1.0, -0.5]), 90, random), np.arange(90) % 5
    strengths = fit(found, 3, [picture])
    order, renamed = random.permutation(90), np.array([2, 0, 1])
    swap = random.random(90) < 0.5
    first, second = renamed[found.first[order]], renamed[found.second[order]]
    won = found.won[order]
    other = Comparisons(
        np.where(swap, second, first), np.where(swap, first, second), np.where(swap, 1 - won, won)
    )
    again = fit(other, 3, [picture[order]])
    np.testing.assert_allclose(again.scores[renamed], strengths.scores, atol=1e-9)
    np.testing.assert_allclose(
        again.covariances[:, renamed][:, :, renamed], strengths.covariances, atol=1e-9
    )


def test_who_won_or_lost_all_has_a_finite_score() -> None:
    rows = [(0, 1, 1.0), (0, 2, 1.0), (1, 2, 1.0)] * 3
    strengths = fit(comparisons(*rows), 3, [np.arange(9)])
    assert np.isfinite(strengths.scores).all() and (np.diff(strengths.scores) < 0).all()
    value, low, high = strengths.difference(0, 2)
    assert low < value < high < 20 and value > 1


def test_few_comparisons_of_many_methods_have_a_maximum() -> None:
    """Where the penalized likelihood, log L + ½ log det of the information, is flat, told by
    differences: also where steps by the plain information would swing around it for ever."""
    random = np.random.default_rng(0)

    def penalized(scores: np.ndarray, points: np.ndarray) -> float:
        likely = 1 / (1 + np.exp(scores[None] - scores[:, None]))
        weight = (points + points.T) * likely * likely.T
        laplacian = np.diag(weight.sum(1)) - weight
        return float((points * np.log(likely)).sum() + np.linalg.slogdet(laplacian[1:, 1:])[1] / 2)

    linked = 0
    for methods, count in [(4, 5), (5, 8), (8, 12), (11, 17), (13, 31)] * 20:
        found = simulated(random.normal(0, 3, methods), count, random)
        points = found.points(methods)
        if len(parts(points)) == 1:
            scores = fit(found, methods).scores
            for unit in np.eye(methods) * 1e-5:
                rise = penalized(scores + unit, points) - penalized(scores - unit, points)
                assert abs(rise / 2e-5) < 1e-5
            linked += 1
    assert linked > 40


def test_methods_that_nothing_links_have_no_scores() -> None:
    apart = comparisons((0, 1, 1.0), (2, 3, 0.0), (3, 2, 0.0))
    assert parts(apart.points(5)) == [[0, 1], [2, 3], [4]]
    with pytest.raises(ValueError, match="not all methods are linked"):
        fit(apart, 4)


@pytest.mark.parametrize("judges", [1, 4])
def test_intervals_cover(judges: int) -> None:
    """The true scores, in about 95 % of 300 simulations, also where all judges are of one mind, so
    that what they say of a picture counts once; for the Fisher information it is many votes."""
    true = np.array([0.0, 0.5, 1.0, -1.0])
    random, covered = np.random.default_rng(2), np.zeros(2)
    picture = np.repeat(np.arange(150), judges)
    for _ in range(300):
        once = simulated(true, 150, random)
        columns = (np.repeat(c, judges) for c in (once.first, once.second, once.won))
        strengths = fit(Comparisons(*columns), 4, [picture])
        alone = Strengths(strengths.scores, strengths.covariances[:1])
        for method, score in enumerate(true - true.mean()):
            for number, found in enumerate((strengths, alone)):
                _, low, high = found.score(method)
                covered[number] += low <= score <= high
    whole, without = covered / (300 * 4)
    assert 0.93 < whole < 0.97
    assert without > 0.93 if judges == 1 else without < 0.75
