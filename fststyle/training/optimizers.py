"""Optimizers of style networks.

A training step is almost all loss network, so that a dearer step of the optimizer costs little.
"""

from collections import defaultdict
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

MOMENTUM = 0.95
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
"""Coefficients of Jordan et al. 2024: they take singular values between 0 and 1 to about 0.7 to 1.2
in five steps, which is near enough and faster than an exact 1."""
STEPS = 5
UPDATE_RMS = 0.2
"""Root mean square of an orthogonalized update at a rate of 1, about that of Adam's updates (Liu et
al. 2025): one rate then suits kernels of every shape."""
KERNEL_RATE = 5.0
"""Rate of kernels in parts of that of norms and biases, which is Adam's."""


def orthogonalized(matrices: Tensor, steps: int = STEPS) -> Tensor:
    """N×R×C to the same: each matrix U·S·Vᵀ to about U·Vᵀ, by Newton–Schulz iterations.

    Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks". A matrix of zeros
    stays one. The arithmetic is float32's.

    >>> once = orthogonalized(torch.randn(1, 4, 9, generator=torch.Generator().manual_seed(0)))
    >>> bool(torch.linalg.svdvals(once).sub(1).abs().max() < 0.4)
    True
    """
    a, b, c = NEWTON_SCHULZ
    x = matrices.float()
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.mT
    x = x / (torch.linalg.matrix_norm(x, keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """Nesterov momentum whose update is orthogonalized, for kernels; Adam for what has one axis.

    Kernels, O×I×H×W, are taken as matrices O×IHW, as Jordan et al. 2024 do; those of one shape are
    orthogonalized together. Modulations by a weight map, C×1×1, count among them: their updates all
    have one length. An update has a root mean square of about ``UPDATE_RMS`` · rate.
    ``torch.optim.Muon`` takes matrices only.

    As with PyTorch's fused optimizers, a step for which GradScaler or the training loop has set
    ``found_inf`` changes nothing, and nothing waits for the device.

    Args:
        network: whose parameters are trained.
        lr: Adam's rate, of norms and biases; kernels have ``KERNEL_RATE`` times as much.
    """

    _step_supports_amp_scaling = True  # GradScaler then hands over found_inf and grad_scale

    def __init__(self, network: nn.Module, lr: float) -> None:
        kernels = [p for p in network.parameters() if p.ndim > 1]
        others = [p for p in network.parameters() if p.ndim <= 1]
        groups = [
            {"params": kernels, "rate": KERNEL_RATE, "kernels": True},
            {"params": others, "rate": 1.0, "kernels": False},
        ]
        super().__init__(groups, {"lr": lr, "fused": True})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of all parameters that have a gradient."""
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            move = self._move_kernels if group["kernels"] else self._move_others
            if params:
                move(group["rate"] * group["lr"], params)

    def _handed_over(self) -> tuple[Tensor | None, Tensor | None]:
        """(factor of the gradients, whether any is not finite); None where nothing was set."""
        return getattr(self, "grad_scale", None), getattr(self, "found_inf", None)

    def _move_kernels(self, lr: float, params: list[Tensor]) -> None:
        scale, found_inf = self._handed_over()
        grads: list[Any] = [param.grad for param in params]
        fresh: float | Tensor = 1 - MOMENTUM
        if scale is not None:
            grads = [grad / scale for grad in grads]
        if found_inf is not None:
            # With these factors of 0 nothing moves.
            kept = found_inf == 0
            grads = [torch.where(kept, grad, 0.0) for grad in grads]
            fresh, lr = fresh * kept, lr * kept  # type: ignore[assignment]
        by_shape: dict[torch.Size, list[tuple[Tensor, Tensor]]] = defaultdict(list)
        for param, grad in zip(params, grads, strict=True):
            state = self.state[param]
            if not state:
                state["momentum"] = torch.zeros_like(param)
            state["momentum"].lerp_(grad, fresh)
            nesterov = grad.lerp(state["momentum"], MOMENTUM)
            by_shape[param.shape].append((param, nesterov.flatten(1)))
        for shape, pairs in by_shape.items():
            matrices = torch.stack([matrix for _, matrix in pairs])
            updates = orthogonalized(matrices) * (UPDATE_RMS * max(matrices.shape[1:]) ** 0.5)
            for (param, _), update in zip(pairs, updates, strict=True):
                param.sub_(lr * update.view(shape))

    def _move_others(self, lr: float, params: list[Tensor]) -> None:
        scale, found_inf = self._handed_over()
        grads: list[Any] = [param.grad for param in params]
        for param in params:
            if not self.state[param]:
                self.state[param] = {
                    "step": torch.zeros((), device=param.device),
                    "exp_avg": torch.zeros_like(param),
                    "exp_avg_sq": torch.zeros_like(param),
                }
        states = [self.state[param] for param in params]
        adam(
            params,
            grads,
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            fused=True,
            grad_scale=scale,
            found_inf=found_inf,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=lr,
            weight_decay=0.0,
            eps=1e-8,
            maximize=False,
        )


def build_optimizer(name: str, network: nn.Module, lr: float) -> torch.optim.Optimizer:
    """Muon or Adam for all of ``network``'s parameters; ``lr`` is Adam's rate, of Muon's kernels
    ``KERNEL_RATE`` times as much."""
    if name == "muon":
        return Muon(network, lr)
    return torch.optim.Adam(network.parameters(), lr, fused=True)
