import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from fststyle.networks.depth_head import LAYERS, VGGDepthHead
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


def test_the_gradient_reaches_every_layer() -> None:
    maps = {name: x.requires_grad_() for name, x in features(64, 48).items()}
    VGGDepthHead().eval()(maps).sum().backward()
    for name, x in maps.items():
        assert x.grad is not None and x.grad.abs().sum() > 0, name


def test_a_picture_has_the_same_depth_in_any_batch() -> None:
    head, maps = VGGDepthHead(dropout=0.5).eval(), features(48, 64, count=3)
    one = head({name: x[1:2] for name, x in maps.items()})
    torch.testing.assert_close(head(maps)[1:2], one, rtol=1e-4, atol=1e-5)
