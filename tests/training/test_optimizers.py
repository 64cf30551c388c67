import pytest
import torch
from torch import nn

from fststyle.training.optimizers import (
    KERNEL_RATE,
    UPDATE_RMS,
    Muon,
    build_optimizer,
    orthogonalized,
)
from fststyle.training.state import TrainingState


def small_network() -> nn.Sequential:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 2, 3)]
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)


def loss(network: nn.Module, step: int = 0) -> torch.Tensor:
    images = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(step))
    return network(images).square().mean()


@pytest.mark.parametrize("shape", [(3, 5, 40), (1, 40, 5), (2, 6, 6)])
def test_singular_values_come_near_one_and_directions_stay(shape: tuple[int, int, int]) -> None:
    u, s, vh = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    s = s.clamp(min=0.1 * s.amax(-1, keepdim=True))
    found = orthogonalized(u @ torch.diag_embed(s) @ vh)
    within = u.mT @ found @ vh.mT
    values = torch.diagonal(within, dim1=-2, dim2=-1)
    assert (values > 0.6).all() and (values < 1.3).all()
    torch.testing.assert_close(within, torch.diag_embed(values), atol=1e-4, rtol=0)


def test_orthogonalized_zeros_are_zeros() -> None:
    assert orthogonalized(torch.zeros(2, 4, 9)).eq(0).all()


def test_updates_have_the_promised_size_whatever_the_gradients() -> None:
    network = small_network()
    before = [p.detach().clone() for p in network.parameters()]
    optimizer = Muon(network, lr=0.1)
    (1e-6 * loss(network)).backward()
    optimizer.step()
    for param, old in zip(network.parameters(), before, strict=True):
        change = (param - old).square().mean().sqrt().item()
        if param.ndim == 1:
            assert change < 1.01 * 0.1
        else:  # singular values are near 1, and only as many as the gradient has
            rate = KERNEL_RATE * 0.1
            assert 0.3 * UPDATE_RMS * rate < change < 1.3 * UPDATE_RMS * rate


def test_kernels_of_one_shape_move_as_each_would_alone() -> None:
    network = small_network()
    loss(network).backward()
    grads = [p.grad.clone() for p in network.parameters() if p.ndim > 1 and p.grad is not None]
    before = [p.detach().clone() for p in network.parameters() if p.ndim > 1]
    Muon(network, lr=0.1).step()
    after = [p for p in network.parameters() if p.ndim > 1]
    for grad, old, new in zip(grads, before, after, strict=True):
        # The first step's Nesterov momentum has the gradient's direction.
        (update,) = orthogonalized(grad.flatten(1)[None])
        expected = old - KERNEL_RATE * 0.1 * UPDATE_RMS * max(update.shape) ** 0.5 * update.view(
            old.shape
        )
        torch.testing.assert_close(new, expected, atol=1e-4, rtol=1e-4)


def test_a_step_that_found_inf_changes_nothing() -> None:
    network = small_network()
    optimizer = Muon(network, lr=0.1)
    loss(network).backward()
    optimizer.step()
    state = TrainingState(network, optimizer, torch.amp.GradScaler("cpu", enabled=False))
    before, _ = state.capture()
    loss(network, 1).backward()
    for param in network.parameters():
        assert param.grad is not None
        param.grad[0] = torch.nan
    optimizer.found_inf = torch.ones(())  # type: ignore[attr-defined]
    optimizer.step()
    after, _ = state.capture()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_scaled_gradients_are_scaled_back() -> None:
    plain, scaled = small_network(), small_network()
    first, second = Muon(plain, lr=0.1), Muon(scaled, lr=0.1)
    loss(plain).backward()
    (1024 * loss(scaled)).backward()
    second.grad_scale = torch.tensor(1024.0)  # type: ignore[attr-defined]
    first.step()
    second.step()
    for a, b in zip(plain.parameters(), scaled.parameters(), strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("name", ["muon", "adam"])
def test_resumed_it_goes_on_bit_for_bit(name: str) -> None:
    def begun() -> TrainingState:
        network = small_network()
        optimizer = build_optimizer(name, network, 0.01)
        return TrainingState(network, optimizer, torch.amp.GradScaler("cpu", enabled=False))

    def go_on(state: TrainingState, *steps: int) -> None:
        for step in steps:
            state.optimizer.zero_grad()
            loss(state.network, step).backward()
            state.optimizer.step()

    whole, first, second = begun(), begun(), begun()
    go_on(whole, 0, 1, 2, 3)
    go_on(first, 0, 1)
    second.restore(*first.capture())
    go_on(second, 2, 3)
    for a, b in zip(whole.network.parameters(), second.network.parameters(), strict=True):
        assert torch.equal(a, b)


def test_it_descends() -> None:
    network = small_network()
    optimizer = build_optimizer("muon", network, 0.003)
    begin = loss(network).item()
    for _ in range(30):
        optimizer.zero_grad()
        loss(network).backward()
        optimizer.step()
    assert loss(network).item() < 0.3 * begin
