import math

import torch

from fststyle.training.content_weight import FIRST, LEAST, MOST, ContentWeight
from fststyle.training.distributed import DistributedContext

ALONE = DistributedContext(0, 1, torch.device("cpu"))


def follow(weight: ContentWeight, steps: int) -> float:
    """A world in which the error is 1/(1 + w/2): returns its last error."""
    error = math.nan
    for _ in range(steps):
        error = 1 / (1 + weight().item() / 2)
        weight.update(torch.tensor(error))
    return error


def test_the_error_comes_to_what_is_wanted_from_both_sides() -> None:
    for wanted in (0.4, 0.65, 0.9):
        assert abs(follow(ContentWeight(wanted, ALONE), 600) / wanted - 1) < 0.02


def test_the_weight_stays_within_bounds() -> None:
    for error, bound in ((100.0, MOST), (0.0, LEAST)):
        weight = ContentWeight(0.5, ALONE)
        for _ in range(500):
            weight.update(torch.tensor(error))
        assert weight().item() == torch.tensor(bound).item()


def test_errors_that_are_not_finite_change_nothing() -> None:
    weight = ContentWeight(0.5, ALONE)
    weight.update(torch.tensor(torch.nan))
    assert weight().item() == FIRST
    weight.update(torch.tensor(0.6))
    weight.memory = {name: value.clone() for name, value in weight.memory.items()}
    mean = weight.memory["content_error"].clone()
    weight.update(torch.tensor(torch.inf))
    assert weight.memory["content_error"] == mean
    assert weight().isfinite()


def test_with_its_memory_another_goes_on_alike() -> None:
    first, second = ContentWeight(0.5, ALONE), ContentWeight(0.5, ALONE)
    follow(first, 7)
    second.memory = {name: value.clone() for name, value in first.memory.items()}
    assert follow(first, 5) == follow(second, 5)
