import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from fststyle.deployment.export import export_network
from fststyle.deployment.graph import ExportWrapper
from fststyle.deployment.verify import Feeds, Run, compare, run_in_half
from fststyle.networks.transform import TransformNet
from tests.conftest import contrasty


@pytest.fixture(scope="module")
def network() -> TransformNet:
    torch.manual_seed(0)
    return TransformNet(4).eval()


def test_an_engine_that_gives_no_numbers_is_refused(network: TransformNet) -> None:
    """On any of the pictures: Python's ``max`` and clipping hide some."""
    wrapper = ExportWrapper(network, uint8=False, fp16=False)
    plain = run_in_torch(wrapper)
    compare(wrapper, network, plain, (32, 32))
    for value in (np.nan, np.inf, -np.inf):

        def broken(feeds: Feeds, value: float = value) -> np.ndarray:
            output = plain(feeds)
            output[0, 0, 3, 3] = value
            return output

        def broken_on_black(feeds: Feeds, value: float = value) -> np.ndarray:
            fed = feeds["content"]
            return plain(feeds) if fed.any() else np.full_like(fed, value)

        for run in (broken, broken_on_black):
            with pytest.raises(ValueError, match="not finite"):
                compare(wrapper, network, run, (32, 32))
    silent = copy.deepcopy(network)
    silent.get_parameter("out.conv.bias").data.fill_(np.nan)
    with pytest.raises(ValueError, match="the network itself gives values that are not finite"):
        compare(wrapper, silent, plain, (32, 32))


def run_in_torch(wrapper: ExportWrapper) -> Run:
    return lambda feeds: wrapper(torch.from_numpy(feeds["content"])).numpy()


def test_a_map_that_an_engine_minds_otherwise_is_told() -> None:
    """``run_in_torch`` leaves it out."""
    network = contrasty(mapped=True)
    wrapper = ExportWrapper(network, uint8=False, fp16=False)
    alone = compare(wrapper, network, run_in_torch(wrapper), (32, 32), with_maps=False)
    assert alone.largest_difference == 0
    assert compare(wrapper, network, run_in_torch(wrapper), (32, 32)).largest_difference > 0.01


@torch.no_grad()
def test_a_network_that_float16_cannot_hold_is_refused(
    network: TransformNet, tmp_path: Path
) -> None:
    """Instance norm takes out what its convolution is multiplied by; float16 overflows before."""
    plain = compare(*both(network), (32, 32))
    assert plain.psnr > 45
    large = copy.deepcopy(network)
    weight = large.get_parameter("residuals.2.conv1.conv.weight")
    weight.mul_(3e4)
    with pytest.raises(ValueError, match="above 65504; export it without --fp16"):
        compare(*both(large), (32, 32))
    weight.mul_(1e4)  # the weights themselves are too large
    with pytest.raises(ValueError, match="above 65504"):
        export_network(large, {}, tmp_path / "x.onnx", fp16=True, size=(32, 32))
    assert not (tmp_path / "x.onnx").exists()


def both(network: TransformNet) -> tuple[ExportWrapper, TransformNet, Callable[..., np.ndarray]]:
    wrapper = ExportWrapper(network, uint8=False, fp16=True)
    return wrapper, network, run_in_half(wrapper)


def test_a_depth_network_that_sees_nothing_is_compared() -> None:
    class Flat(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image[:, :1] * 0 + 7

    wrapper = ExportWrapper(Flat(), uint8=False, fp16=False)
    assert compare(wrapper, Flat(), run_in_torch(wrapper), (32, 32)).largest_difference == 0
