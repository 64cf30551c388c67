import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from fststyle.checkpoints.depth import new_fast
from fststyle.networks.depth_head import LAYERS, VGGDepthHead, _halved
from fststyle.networks.vgg import BLOCKS

pytestmark = pytest.mark.numerical

WIDTHS = dict(zip(LAYERS, (64, 128, 256, 512), strict=True))


def features(height: int, width: int, count: int = 1) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(0)
    return {
        name: torch.rand(count, channels, height >> i, width >> i, generator=random)
        for i, (name, channels) in enumerate(WIDTHS.items())
    }


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (100, 131), (64, 224)])
def test_gives_a_map_of_the_images_size(size: tuple[int, int]) -> None:
    assert VGGDepthHead().eval()(features(*size)).shape == (1, 1, *size)


def test_keeps_within_its_budget() -> None:
    """At most 3 M parameters and 10 % of the multiply-adds of VGG-19 to relu4_3."""
    head = VGGDepthHead().eval()
    assert sum(p.numel() for p in head.parameters()) <= 3_000_000
    side, vgg, into = 128, 0, 3
    for block, (width, convs) in enumerate(BLOCKS[:4]):
        for _ in range(min(convs, 3) if block == 3 else convs):
            vgg += 9 * into * width * (side >> block) ** 2
            into = width
    with FlopCounterMode(display=False) as counter:
        head(features(side, side))
    assert counter.get_total_flops() / 2 <= 0.1 * vgg


def test_the_fast_network_trains_as_a_whole_and_keeps_within_its_budget() -> None:
    """4 MB at half precision; what it costs is the same for every picture it sees at 160×208."""
    network = new_fast()
    network(torch.rand(2, 3, 64, 48)).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
    assert 2 * sum(p.numel() for p in network.parameters()) < 4e6
    with FlopCounterMode(display=False) as counter:
        network.eval()(torch.rand(1, 3, 160, 208))
    assert counter.get_total_flops() / 2 < 3e9


@pytest.mark.parametrize("size", [(6, 8), (5, 8), (7, 3)])
def test_maps_are_halved_as_by_means_that_leave_out_what_is_not_there(
    size: tuple[int, int],
) -> None:
    x = torch.rand(2, 3, *size)
    torch.testing.assert_close(_halved(x), F.avg_pool2d(x, 2, ceil_mode=True))


def test_the_gradient_reaches_every_layer() -> None:
    maps = {name: x.requires_grad_() for name, x in features(64, 48).items()}
    VGGDepthHead().eval()(maps).sum().backward()
    for name, x in maps.items():
        assert x.grad is not None and x.grad.abs().sum() > 0, name


def test_a_picture_has_the_same_depth_in_any_batch() -> None:
    head, maps = VGGDepthHead(dropout=0.5).eval(), features(48, 64, count=3)
    one = head({name: x[1:2] for name, x in maps.items()})
    torch.testing.assert_close(head(maps)[1:2], one, rtol=1e-4, atol=1e-5)
