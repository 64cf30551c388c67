import math

import torch

from fststyle.training.content_weight import (
    AT_ONCE,
    FIRST,
    GAIN,
    LARGEST,
    LEAST,
    MOST,
    ContentWeight,
)
from fststyle.training.distributed import DistributedContext
from fststyle.training.state import TrainingState

ALONE = DistributedContext(0, 1, torch.device("cpu"))


def content_weight(wanted: float, parts: int = 1) -> tuple[ContentWeight, TrainingState]:
    network = torch.nn.Conv2d(1, 1, 1)
    optimizer = torch.optim.Adam(network.parameters())
    state = TrainingState(network, optimizer, torch.amp.GradScaler("cpu", enabled=False))
    return ContentWeight(wanted, state, ALONE, parts), state


def follow(weight: ContentWeight, steps: int) -> float:
    """A world in which the error is 1/(1 + w/2): returns its last error."""
    error = math.nan
    for _ in range(steps):
        error = 1 / (1 + weight().item() / 2)
        weight.update(torch.tensor(error))
    return error


def test_the_error_comes_to_what_is_wanted_from_both_sides() -> None:
    for wanted in (0.4, 0.65, 0.9):
        assert abs(follow(content_weight(wanted)[0], 600) / wanted - 1) < 0.02


def test_a_network_that_answers_late_is_not_driven_too_far() -> None:
    for wanted, error in ((0.5, 0.9), (0.7, 0.95), (0.6, 1.8)):
        weight, _ = content_weight(wanted)
        errors = []
        for _ in range(400):
            error += (1 / (1 + weight().item() / 2) - error) / 50
            weight.update(torch.tensor(error))
            errors.append(error)
        assert min(errors) > 0.85 * wanted and abs(errors[-1] / wanted - 1) < 0.02


def test_a_step_in_parts_moves_it_as_a_whole_one_does() -> None:
    (whole, before), (parts, after) = content_weight(0.5), content_weight(0.5, 2)
    for error in (0.9, 0.7, 0.2):
        whole.update(torch.tensor(error))
        parts.update(torch.tensor(error - 0.1))
        held = parts().item()
        parts.update(torch.tensor(error + 0.1))
        assert held != parts().item()
    assert math.isclose(whole().item(), parts().item(), rel_tol=1e-6)
    assert math.isclose(before.memory["content_error"], after.memory["content_error"], rel_tol=1e-6)


def test_the_weight_stays_within_bounds() -> None:
    for error, bound in ((100.0, MOST), (0.0, LEAST)):
        weight, _ = content_weight(0.5)
        for _ in range(500):
            weight.update(torch.tensor(error))
        assert weight().item() == torch.tensor(bound).item()


def test_photos_that_are_not_recognized_move_the_weight_no_further() -> None:
    for error, sign in ((50.0, 1), (0.01, -1)):
        weight, _ = content_weight(0.5)
        for _ in range(3):
            weight.update(torch.tensor(error))
        moved = FIRST * math.exp(sign * (3 * GAIN + AT_ONCE) * LARGEST)
        assert math.isclose(weight().item(), moved, rel_tol=1e-5)


def test_errors_that_are_not_finite_change_nothing() -> None:
    weight, state = content_weight(0.5)
    weight.update(torch.tensor(torch.nan))
    assert weight().item() == FIRST
    weight.update(torch.tensor(0.6))
    mean = state.memory["content_error"].clone()
    weight.update(torch.tensor(torch.inf))
    assert state.memory["content_error"] == mean
    assert weight().isfinite()


def test_a_resumed_run_goes_on_with_the_same_weight() -> None:
    (first, before), (second, after) = content_weight(0.5), content_weight(0.5)
    follow(first, 7)
    after.restore(*before.capture())
    assert follow(first, 5) == follow(second, 5)
