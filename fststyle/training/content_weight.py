"""The content loss's weight, led by how much of the photo is to stay."""

import torch
from torch import Tensor

from fststyle.training.distributed import DistributedContext
from fststyle.training.state import TrainingState

MEMORY = 0.95
"""Of the running error from one step to the next: a crop's error says little alone."""
GAIN = 0.08
"""How far the weight moves in a step, in parts of itself, for a relative deviation of 1. A weight
that is twice too small is made up for in some fifty steps, and crops do not shake it. Three times
slower, the weight lags behind where the falling rate lowers the error at the end."""
LARGEST = 0.25
"""Deviation that moves the weight; larger ones move it no more. In its first steps a network does
not show the photo at all, whatever the weight: it went to 9, and took hundreds of steps back."""
FIRST, LEAST, MOST = 1.0, 0.05, 20.0
"""The weight at the first step, and its bounds."""


class ContentWeight:
    """A weight w of the content loss that goes up while the error e of the pictures lies above what
    is wanted, and down while it lies below: w ← w · exp(GAIN · (mean of e / wanted − 1)),
    the deviation in parentheses being ``LARGEST`` at most.

    One weight means something else for every painting, loss network and size; a relative error
    means the same. The arithmetic is the device's, and nothing waits for it.

    Args:
        wanted: the error, as ``losses.functional.relative_content_loss`` has it.
        state: whose memory keeps the weight and the running error, so that a resumed run goes on
            with them.
    """

    def __init__(self, wanted: float, state: TrainingState, context: DistributedContext) -> None:
        self.wanted, self._state, self._context = wanted, state, context
        for name, value in (("content_weight", FIRST), ("content_error", torch.nan)):
            state.memory.setdefault(name, torch.tensor(value, device=context.device))

    def __call__(self) -> Tensor:
        """The weight for this step, a float32 scalar."""
        return self._state.memory["content_weight"]

    @torch.no_grad()
    def update(self, error: Tensor) -> None:
        """Take up the error of a step's batch; one that is not finite changes nothing."""
        memory = self._state.memory
        weight, before = memory["content_weight"], memory["content_error"]
        error = self._context.mean(error.detach().float())
        error = torch.where(error.isfinite(), error, before)
        mean = torch.where(before.isnan(), error, MEMORY * before + (1 - MEMORY) * error)
        memory["content_error"] = mean
        seen = mean.clamp((1 - LARGEST) * self.wanted, (1 + LARGEST) * self.wanted)
        memory["content_weight"] = follow(weight, seen, self.wanted, GAIN)


@torch.no_grad()
def follow(weight: Tensor, error: Tensor, wanted: float, gain: float) -> Tensor:
    """The next ``weight`` of a content loss whose ``error`` is to become ``wanted``; scalars. An
    error that is no number leaves it as it is."""
    factor = torch.exp(gain * (error / wanted - 1)).nan_to_num(1.0)
    return (weight * factor).clamp(LEAST, MOST)
