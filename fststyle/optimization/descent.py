"""Downhill from a picture, whatever happens on the way."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import torch
from torch import Tensor

from fststyle.optimization.lbfgs import LBFGS
from fststyle.utils.nonfinite import MOST_ROLLBACKS, NonFiniteError
from fststyle.utils.schedules import decay

LossFunction = Callable[[Tensor], tuple[Tensor, Mapping[str, Tensor]]]
"""A picture to (loss, its unweighted terms), scalars; differentiable."""

ASTRAY = 2.0
"""Without a line search a step may lead anywhere: from a loss so many times the best one's, the way
leads back to the best picture, and begins anew there."""
DEFAULT_LR = {"lbfgs": 1.0, "adam": 0.02}
ADAM_DECAY = 0.3
"""Last part of the steps over which Adam's rate falls to zero."""


class Descent:
    """Pictures of falling loss, in [0,1].

    Args:
        loss_fn: of a picture.
        start: N×C×H×W, with which it begins; not changed.
        optimizer, lr, history: as ``config.OptimizeConfig`` has them.
    """

    def __init__(
        self,
        loss_fn: LossFunction,
        start: Tensor,
        optimizer: Literal["lbfgs", "adam"] = "lbfgs",
        lr: float | None = None,
        history: int = 20,
    ) -> None:
        self.loss_fn = loss_fn
        self.image = start.detach().clone(memory_format=torch.contiguous_format).clamp_(0, 1)
        self.best, self.best_loss = self.image.clone(), math.inf
        self.best_terms: dict[str, float] = {}
        self.curve: list[dict[str, float]] = []
        """Loss and terms before every step, and after the last."""
        self.mishaps = 0
        self.lr = lr or DEFAULT_LR[optimizer]
        self.optimizer: LBFGS | _Adam
        if optimizer == "lbfgs":
            self.optimizer = LBFGS(self.image, history=history, lr=self.lr)
        else:
            self.optimizer = _Adam(self.image, self.lr)

    def run(self, steps: int) -> Iterator[int]:
        """Take ``steps`` steps; yields how many are taken, from 0 on, whenever the picture that
        they led to has a loss.

        A loss or a gradient that is not finite leads back to the best picture and on with half the
        step. Raises NonFiniteError where that does not help; ``best`` stands.
        """
        for step in range(steps + 1):
            gradient = self._gradient()
            if gradient is None:
                self._turn_back(step)
                gradient = self._gradient()
                if gradient is None:
                    raise NonFiniteError(
                        f"step {step}: the loss of the picture, or its gradient, is not finite: try"
                        " --precision fp32, or smaller weights"
                    )
            yield step
            if step < steps:
                if isinstance(self.optimizer, _Adam):
                    self.optimizer.part = decay(step, steps, ADAM_DECAY)
                self.optimizer.step(gradient)

    def _gradient(self) -> Tensor | None:
        """The gradient; None where the picture is no use to go on from."""
        image = self.image.detach().requires_grad_()
        loss, terms = self.loss_fn(image)
        (gradient,) = torch.autograd.grad(loss, image)
        value = loss.item()
        if not (math.isfinite(value) and torch.linalg.vector_norm(gradient).isfinite()):
            self.mishaps += 1
            return None
        if value > ASTRAY * self.best_loss:
            return None
        values = {name: term.item() for name, term in terms.items()}
        self.curve.append({"loss": value, **values})
        if value < self.best_loss:
            self.best.copy_(self.image)
            self.best_loss, self.best_terms = value, values
        return gradient

    def _turn_back(self, step: int) -> None:
        if self.mishaps > MOST_ROLLBACKS:
            raise NonFiniteError(
                f"the loss or a gradient was not finite {self.mishaps} times, last at step {step}:"
                " try a lower --lr or --precision fp32; the best picture so far is kept"
            )
        self.image.copy_(self.best)
        self.optimizer.lr = self.lr / 2**self.mishaps
        if isinstance(self.optimizer, LBFGS):
            self.optimizer.first /= 4  # or the same step would lead astray again
        self.optimizer.forget()


class _Adam:
    """Adam (Kingma and Ba 2015) in the box [0,1]."""

    def __init__(self, x: Tensor, lr: float) -> None:
        self.x, self.lr, self.part = x, lr, 1.0
        self.forget()

    def forget(self) -> None:
        self.adam = torch.optim.Adam([self.x], self.lr, betas=(0.9, 0.99))

    def step(self, gradient: Tensor) -> None:
        self.adam.param_groups[0]["lr"] = self.lr * self.part
        self.x.grad = gradient
        self.adam.step()
        self.x.clamp_(0, 1)
