"""The content loss's weight, led by how much of the photo is to stay."""

import torch
from torch import Tensor

from fststyle.training.distributed import DistributedContext
from fststyle.training.state import TrainingState

MEMORY = 0.95
"""Of the running error from one step to the next: a crop's error says little alone."""
GAIN = 0.03
"""How far the weight is moved in a step, in parts of itself, for a relative deviation of 1: slowly,
since a network answers some fifty steps late, and one that is moved faster goes far beyond."""
AT_ONCE = 2.0
"""How far it stands off where it has been moved to, likewise, as long as there is a deviation:
without that it lags behind where the falling rate lowers the error at the end."""
LARGEST = 0.25
"""Deviation that moves the weight; larger ones move it no more. In its first steps a network does
not show the photo at all, whatever the weight: it went to 9, and took hundreds of steps back."""
FIRST, LEAST, MOST = 1.0, 0.05, 20.0
"""The weight at the first step, and its bounds."""


class ContentWeight:
    """A weight w of the content loss that goes up while the error e of the pictures lies above what
    is wanted, and down while it lies below: w = v · exp(AT_ONCE · d) with v ← v · exp(GAIN · d) and
    the deviation d = mean of e / wanted − 1, which is ``LARGEST`` at most.

    One weight means something else for every painting, loss network and size; a relative error
    means the same. The arithmetic is the device's, and nothing waits for it.

    Args:
        wanted: the error, as ``losses.functional.relative_content_loss`` has it.
        state: whose memory keeps the weight and the running error, so that a resumed run goes on
            with them.
        parts: in which a step is accumulated.
    """

    def __init__(
        self, wanted: float, state: TrainingState, context: DistributedContext, parts: int = 1
    ) -> None:
        self.wanted, self._state, self._context, self._parts = wanted, state, context, parts
        self._errors: list[Tensor] = []
        for name, value in (("content_weight", FIRST), ("content_error", torch.nan)):
            state.memory.setdefault(name, torch.tensor(value, device=context.device))

    def __call__(self) -> Tensor:
        """The weight for this step, a float32 scalar."""
        memory = self._state.memory
        seen = self._seen(memory["content_error"])
        return follow(memory["content_weight"], seen, self.wanted, AT_ONCE)

    @torch.no_grad()
    def update(self, error: Tensor) -> None:
        """Take up the error of a part of a step; with its last the weight moves. Errors that are
        not finite change nothing."""
        self._errors.append(error.detach().float())
        if len(self._errors) < self._parts:
            return
        memory = self._state.memory
        weight, before = memory["content_weight"], memory["content_error"]
        error = self._context.mean(torch.stack(self._errors).mean())
        self._errors.clear()
        error = torch.where(error.isfinite(), error, before)
        mean = torch.where(before.isnan(), error, MEMORY * before + (1 - MEMORY) * error)
        memory["content_error"] = mean
        memory["content_weight"] = follow(weight, self._seen(mean), self.wanted, GAIN)

    def _seen(self, error: Tensor) -> Tensor:
        """What of a running ``error`` moves the weight."""
        return error.clamp((1 - LARGEST) * self.wanted, (1 + LARGEST) * self.wanted)


@torch.no_grad()
def follow(weight: Tensor, error: Tensor, wanted: float, gain: float) -> Tensor:
    """The next ``weight`` of a content loss whose ``error`` is to become ``wanted``; scalars. An
    error that is no number leaves it as it is."""
    factor = torch.exp(gain * (error / wanted - 1)).nan_to_num(1.0)
    return (weight * factor).clamp(LEAST, MOST)
