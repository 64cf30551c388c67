"""Figures of several networks side by side, with their uncertainty."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.stats import bootstrap

from fststyle.evaluation.model_result import ModelResult

SAME_STYLE = 0.05
"""Networks whose style losses differ by more than this do not compare: less style alone gives more
content, truer depth and a higher SSIM."""
RESAMPLES = 2000
NEAR_TO_FAR = "content near : far"


def interval(statistic: Callable[..., np.ndarray], *samples: np.ndarray) -> tuple[float, float]:
    """95 % percentile-bootstrap interval of a statistic of paired samples, two or more; NaN where a
    sample is not finite."""
    if not all(np.isfinite(sample).all() for sample in samples):
        return np.nan, np.nan
    resampled = bootstrap(
        samples,
        statistic,
        paired=True,
        vectorized=True,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    return float(resampled.confidence_interval.low), float(resampled.confidence_interval.high)


def _mean(values: np.ndarray, axis: int = -1) -> np.ndarray:
    return values.mean(axis)


def table(group: Sequence[ModelResult]) -> str:
    """Means with their intervals, Markdown."""
    names = list(group[0].values)
    lines = [f"| network | method | {' | '.join(names)} |", "|---" * (len(names) + 2) + "|"]
    for result in group:
        cells = []
        for name in names:
            low, high = interval(_mean, result.values[name])
            cells.append(f"{result.mean(name):.3f} [{low:.3f}, {high:.3f}]")
        lines.append(f"| {result.name} | {result.method} | {' | '.join(cells)} |")
    return "\n".join(lines)


def changes(result: ModelResult, base: ModelResult) -> dict[str, tuple[float, float, float]]:
    """Relative change of each figure's mean against ``base``'s, and of the ratio of content loss
    near to far, each with its interval over the same photos resampled."""

    def relative(ours: np.ndarray, theirs: np.ndarray, axis: int = -1) -> np.ndarray:
        return ours.mean(axis) / theirs.mean(axis) - 1

    def near_to_far(*ends: np.ndarray, axis: int = -1) -> np.ndarray:
        near, far, base_near, base_far = (values.mean(axis) for values in ends)
        return near / far / (base_near / base_far) - 1

    ours, theirs = result.values, base.values
    ends = [m[f"content {end}"] for m in (ours, theirs) for end in ("near", "far")]
    relative_changes = {}
    for name in ours:
        pair = ours[name], theirs[name]
        relative_changes[name] = (float(relative(*pair)), *interval(relative, *pair))
    relative_changes[NEAR_TO_FAR] = (float(near_to_far(*ends)), *interval(near_to_far, *ends))
    return relative_changes


def comparison(group: Sequence[ModelResult]) -> str:
    """Changes against the first plain network, or the first, in per cent; Markdown."""
    base = _base(group)
    names = [*group[0].values, NEAR_TO_FAR]
    lines = [
        f"| against {base.name}, % | {' | '.join(names)} |",
        "|---" * (len(names) + 1) + "|",
    ]
    for result in group:
        if result is not base:
            change = changes(result, base)
            cells = [
                "{:+.0f} [{:+.0f}, {:+.0f}]".format(*(100 * v for v in change[n])) for n in names
            ]
            lines.append(f"| {result.name} | {' | '.join(cells)} |")
    return "\n".join(lines) if len(lines) > 2 else ""


def style_warning(group: Sequence[ModelResult]) -> str:
    """What to say where style losses differ by more than ``SAME_STYLE``; empty otherwise."""
    base = _base(group)
    apart = [
        f"{m.name} {m.mean('style') / base.mean('style') - 1:+.0%}"
        for m in group
        if not abs(m.mean("style") / base.mean("style") - 1) <= SAME_STYLE  # NaN is no agreement
    ]
    if not apart:
        return ""
    return (
        f"Style losses differ by more than {SAME_STYLE:.0%} from {base.name}'s"
        f" ({', '.join(apart)}): the other columns do not compare, since less style alone"
        " improves them."
    )


def _base(group: Sequence[ModelResult]) -> ModelResult:
    return next((m for m in group if m.method == "plain"), group[0])


def by_painting(networks: Sequence[ModelResult]) -> dict[str, list[ModelResult]]:
    groups: dict[str, list[ModelResult]] = {}
    for result in networks:
        groups.setdefault(result.painting, []).append(result)
    return groups


def figures(group: Sequence[ModelResult]) -> dict[str, Any]:
    base = _base(group)
    return {
        m.name: {
            "method": m.method,
            "mean": {name: m.mean(name) for name in m.values},
            "interval": {name: interval(_mean, v) for name, v in m.values.items()},
            f"change_against_{base.name}": changes(m, base) if m is not base else None,
        }
        for m in group
    }
