"""Networks beside optimization: how many of its steps, and how much time, a network saves (the
comparison of Johnson et al. 2016, figure 5)."""

import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fststyle import config as settings
from fststyle.config import EvaluateConfig
from fststyle.evaluation.model_result import ModelResult
from fststyle.evaluation.opening import measured_by


class EquivalentSteps(NamedTuple):
    """A network's loss as steps of an optimization that reach it, by photo."""

    network: str
    optimization: str
    steps: list[int | None]
    """None where all its steps do not reach it."""
    network_seconds: float
    """For a photo, median."""
    step_seconds: float

    def sentence(self) -> str:
        """For people."""
        reached = sorted(steps for steps in self.steps if steps is not None)
        if not reached:
            return f"{self.optimization} reaches {self.network}'s loss on no photo."
        middle = statistics.median(reached)
        missed = len(self.steps) - len(reached)
        return (
            f"{self.network}'s loss is reached by {self.optimization} after {middle:g} steps"
            f" ({reached[0]} to {reached[-1]}"
            + (f"; on {missed} photo(s) never" * (missed > 0))
            + f"), that is after {middle * self.step_seconds:.1f} s instead of"
            f" {self.network_seconds:.2f} s."
        )


SAME = (
    *("style_balance", "style_size", "style_blend", "style_layers", "style_layer_weights"),
    *("content_layers", "loss_network"),
)
"""Settings of an optimization without which its losses are not those that ``evaluate`` measures."""


def equivalent_steps(
    group: Sequence[ModelResult], places: Sequence[Path], config: EvaluateConfig
) -> list[EquivalentSteps]:
    """For every network and every recorded optimization of one size whose losses are those that
    ``config`` measures, the content loss unweighted: content and style loss, by the weights of the
    optimization."""
    comparisons = []
    measured = settings.to_json(measured_by(config, group[0].paintings))
    for folder in group:
        records = [folder.folder.record(place) for place in places] if folder.folder else [None]
        if any(r is None or not _comparable(r, measured) for r in records):
            continue
        known = [record for record in records if record]
        seconds = [r["seconds"] / max(1, len(r["levels"][0]["curve"]) - 1) for r in known]
        for network in group:
            # What is not finite would be reached never, or at once.
            if network.folder is None and math.isfinite(
                network.mean("content") + network.mean("style")
            ):
                reached = [
                    _steps_to(
                        record, network.lists["content"][number], network.lists["style"][number]
                    )
                    for number, record in enumerate(known)
                ]
                comparisons.append(
                    EquivalentSteps(
                        network.name,
                        folder.name,
                        reached,
                        statistics.median(network.seconds),
                        statistics.median(seconds),
                    )
                )
    return comparisons


def _comparable(record: Mapping[str, Any], measured: Mapping[str, Any]) -> bool:
    made = record["settings"]
    return (
        all(made.get(name, measured[name]) == measured[name] for name in SAME)
        and len(record["levels"]) == 1
        and made["method"] in ("plain", "depth")
        and made["calibrate"]
        and made["loss_downscale"] == 1
        and made.get("loss_padding", "mirror") == "mirror"
        and made.get("margin", 16)  # as versions spell it
        and not made.get("keep_color", made.get("keep_colour"))  # as versions spell it
    )


def _steps_to(record: Mapping[str, Any], content: float, style: float) -> int | None:
    weights = record["settings"]["content_weight"], record["settings"]["style_weight"]
    wanted = weights[0] * content + weights[1] * style
    for step, terms in enumerate(record["levels"][0]["curve"]):
        if weights[0] * terms["content"] + weights[1] * terms["style"] <= wanted:
            return step
    return None
