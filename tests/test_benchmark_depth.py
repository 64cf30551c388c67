import pytest
import torch
from conftest import depth_vgg_state

from fststyle.benchmark_depth import costs_per_pixel, features_only, head_term, image_term
from fststyle.networks.depth_head import LAYERS, VGGDepthHead
from fststyle.networks.hourglass import HourglassDepth
from fststyle.networks.vgg import VGG19Features


@pytest.fixture(scope="module")
def extractor() -> VGG19Features:
    return VGG19Features(depth_vgg_state(seed=0), LAYERS)


def test_costs_are_those_of_the_layers(extractor: VGG19Features) -> None:
    costs = costs_per_pixel(extractor, 64, torch.device("cpu"))
    assert costs["hourglass"] == pytest.approx(613_640, rel=1e-3), "as counted by hand, at 224x288"
    assert costs["hourglass, pooled by 2"] == costs["hourglass"] / 4
    assert costs["vgg_head"] < 0.1 * costs["VGG-19 to relu4_3"]


def test_what_is_timed_runs(extractor: VGG19Features) -> None:
    batch = torch.rand(1, 3, 48, 64)
    head, hourglass = VGGDepthHead().eval(), HourglassDepth().eval()
    assert set(features_only(extractor, batch, "fp32")()) >= {"relu1_2", "relu4_3"}
    head_term(head, extractor, batch, "fp32")
    image_term(hourglass, batch, "bf16")
    assert hourglass.out.weight.grad is not None
