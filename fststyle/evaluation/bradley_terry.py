"""How good methods are, out of which of two was found better: the model of Bradley and Terry
(Biometrika 1952), in which i beats j with probability 1 / (1 + exp(sⱼ − sᵢ)).

A library for it, choix, has neither ties nor intervals, which are half of what stands here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

MOST_STEPS = 1000
LONGEST_STEP = 2.0
"""Of a score in one of Newton's steps: far away from the maximum, steps overshoot."""
ACCURACY = 1e-10
Z = NormalDist().inv_cdf(0.975)
"""Standard errors to each side of a 95 % interval."""


@dataclass(frozen=True)
class Comparisons:
    """N comparisons of two of M methods each.

    Attributes:
        first, second: N methods' numbers each, below M.
        won: N shares that the first has of the point: 1 where it was better, 0 where the second
            was, ½ for a tie.
    """

    first: np.ndarray
    second: np.ndarray
    won: np.ndarray

    def points(self, methods: int) -> np.ndarray:
        """M×M: what the row's method won against the column's."""
        points = np.zeros((methods, methods))
        np.add.at(points, (self.first, self.second), self.won)
        np.add.at(points, (self.second, self.first), 1 - self.won)
        return points


@dataclass(frozen=True)
class Strengths:
    """What ``fit`` found of M methods.

    Attributes:
        scores: M natural logarithms of the odds against a method of mean score, which is 0.
        covariances: K×M×M, of the scores, by K ways of telling it.
    """

    scores: np.ndarray
    covariances: np.ndarray

    def error(self, contrast: np.ndarray) -> float:
        """The standard error of a weighted sum of scores: the largest that is told."""
        variances = np.einsum("i,kij,j->k", contrast, self.covariances, contrast)
        return float(np.sqrt(variances.max()))

    def score(self, method: int) -> tuple[float, float, float]:
        """(score against the mean, lower and upper end of its 95 % interval)."""
        return self._with_interval(np.eye(len(self.scores))[method])

    def difference(self, method: int, other: int) -> tuple[float, float, float]:
        """(how much higher the first one's score is, lower and upper end of its 95 % interval)."""
        units = np.eye(len(self.scores))
        return self._with_interval(units[method] - units[other])

    def _with_interval(self, contrast: np.ndarray) -> tuple[float, float, float]:
        value, reach = float(contrast @ self.scores), Z * self.error(contrast)
        return value, value - reach, value + reach


def fit(comparisons: Comparisons, methods: int, groups: Sequence[np.ndarray] = ()) -> Strengths:
    """The scores of the largest likelihood, of which ties are half a win for each, with Jeffreys'
    prior as a penalty (Firth, Biometrika 1993), which takes away the bias of few comparisons and
    keeps the score of a method finite that won, or lost, all of its own. Two methods with w and l
    wins are log((w + ½) / (l + ½)) apart.

    The first covariance is the inverse of the Fisher information, which takes all comparisons for
    independent; a tie counts as if it told as much as a win, so that with many ties it is too
    large, and never too small. Those of one group, judged by one person, or of one picture, often
    agree, so that they tell less than they would one by one: each of ``groups`` adds the sandwich
    estimator (Liang and Zeger, Biometrika 1986) for it. Alone that would not do, since where
    everybody is of one mind it is nearly 0.

    Args:
        groups: for each way of grouping the comparisons N numbers of groups.

    Raises ValueError where some methods are not linked to the others by comparisons.
    """
    points = comparisons.points(methods)
    if len(parts(points)) > 1:
        raise ValueError("not all methods are linked by comparisons")
    scores = np.zeros(methods)
    for _ in range(MOST_STEPS):
        expected = expected_points(scores)
        _, leverage = _information(points, expected)
        # As if there were ``leverage`` more comparisons of each two, half of them won by either.
        more = points + leverage / 2
        covariance, _ = _information(more, expected)
        step = covariance @ (more - (more + more.T) * expected).sum(1)
        scores = scores + step * min(1.0, LONGEST_STEP / max(np.abs(step).max(), ACCURACY))
        if np.abs(step).max() < ACCURACY:
            break
    else:
        raise ArithmeticError("Newton's method did not end")
    covariance, _ = _information(points, expected_points(scores))
    sandwiches = [_sandwich(comparisons, scores, covariance, group) for group in groups]
    return Strengths(scores, np.stack([covariance, *sandwiches]))


def expected_points(scores: np.ndarray) -> np.ndarray:
    """M×M: the probability that the row's method beats the column's."""
    return 1 / (1 + np.exp(scores[None] - scores[:, None]))


def parts(points: np.ndarray) -> list[list[int]]:
    """The methods, in lists of those that are linked by comparisons."""
    compared = points + points.T > 0
    left, found = list(range(len(points))), []
    while left:
        part = [left[0]]
        for method in part:  # which grows
            part += [other for other in left if compared[method, other] and other not in part]
        left = [method for method in left if method not in part]
        found.append(sorted(part))
    return found


def _information(points: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(the inverse of the Fisher information, of scores whose sum is 0; the leverage of the
    comparisons of each two methods: M×M each)."""
    weight = (points + points.T) * expected * expected.T
    mean = np.full_like(weight, 1 / len(weight))  # of the direction in which nothing changes
    covariance = np.linalg.inv(np.diag(weight.sum(1)) - weight + mean) - mean
    variance = np.diag(covariance)
    return covariance, weight * (variance[:, None] + variance[None] - 2 * covariance)


def _sandwich(
    comparisons: Comparisons, scores: np.ndarray, covariance: np.ndarray, group: np.ndarray
) -> np.ndarray:
    """M×M; 0 where all comparisons are of one group, of which it tells nothing."""
    first, second = comparisons.first, comparisons.second
    surplus = comparisons.won - expected_points(scores)[first, second]
    names, numbers = np.unique(group, return_inverse=True)
    if len(names) < 2:
        return np.zeros_like(covariance)
    sums = np.zeros((len(names), len(scores)))
    np.add.at(sums, (numbers, first), surplus)
    np.add.at(sums, (numbers, second), -surplus)
    sums = sums @ covariance
    return sums.T @ sums * len(names) / (len(names) - 1)
