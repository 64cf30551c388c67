"""L-BFGS against a dense BFGS, against SciPy's in a box, and its ways out."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import Tensor

from fststyle.optimization.lbfgs import LBFGS

pytestmark = pytest.mark.numerical


def bowl(size: int, seed: int) -> tuple[Tensor, Tensor]:
    """A positive definite matrix with eigenvalues from 0.5 to 1.5, and a centre, partly outside
    [0, 1]."""
    random = torch.Generator().manual_seed(seed)
    rotation, _ = torch.linalg.qr(torch.randn(size, size, generator=random, dtype=torch.float64))
    curvature = rotation @ torch.diag(torch.linspace(0.5, 1.5, size).double()) @ rotation.T
    return curvature, torch.rand(size, generator=random, dtype=torch.float64) * 2 - 0.5


def test_its_steps_are_those_of_a_dense_bfgs() -> None:
    """H' = (1 − ρsyᵀ) H (1 − ρysᵀ) + ρssᵀ, begun anew from γ = sᵀy/yᵀy with the pairs kept."""
    curvature, centre = bowl(12, 0)
    x = torch.full((12,), 0.5, dtype=torch.float64)
    optimizer = LBFGS(x, history=4, low=-9, high=9)
    points, gradients = [], []
    for step in range(9):
        gradient = curvature @ (x - centre)
        points.append(x.clone())
        gradients.append(gradient)
        pairs = [(points[i + 1] - points[i], gradients[i + 1] - gradients[i]) for i in range(step)][
            -4:
        ]
        optimizer.step(gradient)
        if not pairs:
            continue
        s, y = pairs[-1]
        inverse = torch.eye(12, dtype=torch.float64) * (s @ y) / (y @ y)
        for s, y in pairs:
            left = torch.eye(12, dtype=torch.float64) - torch.outer(s, y) / (s @ y)
            inverse = left @ inverse @ left.T + torch.outer(s, s) / (s @ y)
        torch.testing.assert_close(x - points[-1], -inverse @ gradient)


def test_it_finds_the_best_point_of_a_box() -> None:
    curvature, centre = bowl(40, 1)
    x = torch.full((40,), 0.5, dtype=torch.float64)
    optimizer = LBFGS(x, history=10)
    for _ in range(80):
        optimizer.step(curvature @ (x - centre))
    matrix, middle = curvature.numpy(), centre.numpy()
    best = minimize(
        lambda p: 0.5 * (p - middle) @ matrix @ (p - middle),
        np.full(40, 0.5),
        jac=lambda p: matrix @ (p - middle),
        method="L-BFGS-B",
        bounds=[(0, 1)] * 40,
        options={"ftol": 1e-15, "gtol": 1e-10},
    ).x
    assert ((best == 0) | (best == 1)).any()
    np.testing.assert_allclose(x.numpy(), best, atol=1e-6)


def test_a_pair_without_curvature_is_left_out() -> None:
    """Where the gradient falls along the step, the function curves down."""
    x = torch.zeros(3)
    optimizer = LBFGS(x, low=-9, high=9)
    optimizer.step(torch.tensor([1.0, 0, 0]))
    optimizer.step(torch.tensor([2.0, 0, 0]))
    assert optimizer.order == []
    before = x.clone()
    optimizer.step(torch.tensor([1.5, 0, 0]))
    assert optimizer.order == [0] and x[0] < before[0]


def test_after_forgetting_it_begins_anew() -> None:
    x = torch.zeros(2, 2)
    optimizer = LBFGS(x, low=-9, high=9)
    optimizer.step(torch.ones(2, 2))
    first = x.clone()
    optimizer.step(torch.full((2, 2), 0.5))
    optimizer.forget()
    x.zero_()
    optimizer.step(torch.ones(2, 2) * 7)
    torch.testing.assert_close(x, first)
    assert x.square().mean().sqrt().item() == pytest.approx(0.02)
