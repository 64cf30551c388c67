import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fststyle.networks.transform import InstanceNorm, OutputConv, TransformNet, UpsampleConvNorm

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
