import pytest
import torch

from fststyle.benchmarks.depth import costs_per_pixel, method_steps
from fststyle.networks.depth_head import LAYERS
from fststyle.networks.vgg import VGG19Features
from tests.conftest import depth_vgg_state


@pytest.fixture(scope="module")
def extractor() -> VGG19Features:
    return VGG19Features(depth_vgg_state(seed=0), LAYERS)


def test_costs_are_those_of_the_layers(extractor: VGG19Features) -> None:
    costs = costs_per_pixel(extractor, 64, torch.device("cpu"))
    assert costs["hourglass"] == pytest.approx(613_640, rel=1e-3), "as counted by hand, at 224x288"
    assert costs["vgg_head"] < 0.1 * costs["VGG-19 to relu4_3"]


def test_what_is_timed_runs(extractor: VGG19Features) -> None:
    steps = method_steps(extractor, 48, 2, torch.device("cpu"), "fp32")
    assert {"plain", "weighted", "combined, vgg_head", "combined, hourglass"} < steps.keys()
    for name in ("combined, vgg_head", "combined, hourglass"):
        steps[name]()
