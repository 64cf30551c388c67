import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fststyle.networks.transform import (
    MODULATION_UNIT,
    InstanceNorm,
    Modulation,
    OutputConv,
    TransformNet,
    UpsampleConvNorm,
)

pytestmark = pytest.mark.numerical


def test_parameter_count_is_the_papers() -> None:
    assert sum(p.numel() for p in TransformNet().parameters()) == 1_679_235


@pytest.mark.parametrize("size", [(16, 16), (17, 31), (18, 64), (35, 19), (48, 48)])
def test_any_size_from_16_comes_out_as_it_went_in(size: tuple[int, int]) -> None:
    content = torch.rand(2, 3, *size)
    assert TransformNet(4)(content).shape == content.shape


def test_smaller_pictures_are_a_clear_error() -> None:
    with pytest.raises(ValueError, match="at least 16x16 pixels, found 20x15"):
        TransformNet(4)(torch.rand(1, 3, 15, 20))


def test_upsampling_convolution_is_the_plain_one() -> None:
    torch.manual_seed(0)
    layer = UpsampleConvNorm(5, 7)
    layer.norm = nn.Identity()  # type: ignore[assignment]
    x = torch.rand(2, 5, 6, 9)
    plain = F.pad(F.interpolate(x, scale_factor=2.0), (1, 1, 1, 1), mode="reflect")
    torch.testing.assert_close(layer(x), layer.conv(plain))


def test_output_convolution_is_the_plain_one() -> None:
    torch.manual_seed(0)
    layer = OutputConv(5)
    x = torch.rand(2, 5, 12, 18)
    torch.testing.assert_close(layer(x), layer.conv(F.pad(x, (4, 4, 4, 4), mode="reflect")))


def normalized(x: Tensor, norm: InstanceNorm) -> Tensor:
    mean, variance = x.mean((2, 3), keepdim=True), x.var((2, 3), correction=0, keepdim=True)
    scaled = (x - mean) / (variance + 1e-5).sqrt()
    return scaled * norm.weight[:, None, None] + norm.bias[:, None, None]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_instance_norm_in_both_memory_layouts(layout: torch.memory_format) -> None:
    torch.manual_seed(0)
    norm = InstanceNorm(6).double()
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    x = torch.rand(3, 6, 4, 5, dtype=torch.float64).to(memory_format=layout).requires_grad_()
    torch.testing.assert_close(norm(x), normalized(x, norm))
    assert torch.autograd.gradcheck(norm, (x,))


def test_instance_norm_keeps_half_precision() -> None:
    torch.manual_seed(0)
    norm = InstanceNorm(6)
    x = torch.rand(2, 6, 9, 9).bfloat16().to(memory_format=torch.channels_last)
    assert norm(x).dtype == torch.bfloat16
    torch.testing.assert_close(norm(x).float(), normalized(x.float(), norm), atol=0.02, rtol=0.02)


def test_a_new_map_says_nothing_and_none_means_zero() -> None:
    torch.manual_seed(0)
    content, some = torch.rand(2, 3, 37, 50), torch.rand(2, 1, 9, 4)
    plain = TransformNet(4)
    network = TransformNet(4, mapped=True)
    network.load_state_dict(plain.state_dict(), strict=False)
    assert torch.equal(network(content, some), plain(content))
    for modulation in (m for m in network.modules() if isinstance(m, Modulation)):
        torch.nn.init.normal_(modulation.scale, std=0.1)
        torch.nn.init.normal_(modulation.shift, std=0.1)
    assert torch.equal(network(content), plain(content))
    assert torch.equal(network(content, torch.zeros(1, 1, 1, 1)), plain(content))
    assert (network(content, some) - plain(content)).abs().max() > 0.01
    everywhere = network(content, torch.full((1, 1, 1, 1), 0.5))
    torch.testing.assert_close(network(content, torch.full((2, 1, 80, 3), 0.5)), everywhere)


def test_what_is_all_over_a_picture_gets_through_the_norms() -> None:
    """A modulation is a norm with another scale and shift for each pixel."""
    x, weight_map = torch.randn(1, 5, 8, 8), torch.rand(1, 1, 8, 8)
    norm, modulation = InstanceNorm(5), Modulation(5)
    for parameter in (*norm.parameters(), *modulation.parameters()):
        torch.nn.init.normal_(parameter)
    factor, added = (MODULATION_UNIT * p for p in (modulation.scale, modulation.shift))
    scale = norm.weight.view(-1, 1, 1) * (1 + weight_map * factor)
    shift = norm.bias.view(-1, 1, 1) * (1 + weight_map * factor) + weight_map * added
    expected = torch.nn.functional.instance_norm(x, eps=norm.eps) * scale + shift
    torch.testing.assert_close(modulation(norm(x), weight_map), expected, atol=1e-4, rtol=1e-4)
    half = modulation(norm(x).bfloat16(), weight_map.bfloat16())
    assert half.dtype == torch.bfloat16
