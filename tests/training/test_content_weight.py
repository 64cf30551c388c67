import math

import torch

from fststyle.training.content_weight import FIRST, GAIN, LARGEST, LEAST, MOST, ContentWeight
from fststyle.training.distributed import DistributedContext
from fststyle.training.state import TrainingState

ALONE = DistributedContext(0, 1, torch.device("cpu"))


def content_weight(wanted: float) -> tuple[ContentWeight, TrainingState]:
    network = torch.nn.Conv2d(1, 1, 1)
    optimizer = torch.optim.Adam(network.parameters())
    state = TrainingState(network, optimizer, torch.amp.GradScaler("cpu", enabled=False))
    return ContentWeight(wanted, state, ALONE), state


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
        assert math.isclose(
            weight().item(), FIRST * math.exp(3 * sign * GAIN * LARGEST), rel_tol=1e-5
        )


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
