"""The feed-forward network that is trained, one per style."""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MIN_SIZE = 16
"""Smallest height and width in pixels; below it reflection padding has too little to reflect."""

STRIDE = 4
"""Pixels of the picture to one of the network's smallest maps. What it makes of a picture that is
moved by so many moves along, but for what is near the border."""

OUTPUT_SCALE, OUTPUT_CENTRE = 1 / 64, 0.5
"""The last convolution works in steps of 1/64 around mid-grey. Adam moves each of its 2,592 weights
per channel by the learning rate, all together: at 1e-3 and a scale of 1 that is a whole white per
step, and the first steps throw the network into a grey picture with blobs that it hardly leaves
(measured at 128 px around step 75: content 7.0 and style 7.0, against 5.1 and 1.6 at 1/64; 1/255,
the scale of networks with outputs in 0..255, is slower, 1/16 no better)."""


class InstanceNorm(nn.Module):
    """Instance normalization with affine parameters (Ulyanov et al. 2016), eps 1e-5.

    N×C×H×W to N×C×H×W; each channel of each image gets mean 0 and variance 1 over its pixels,
    then a learnt scale and shift. The arithmetic is float32 whatever the input's type, which is
    also the output's.
    """

    eps = 1e-5

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        if torch.compiler.is_exporting() and x.dtype != torch.float32:
            # ONNX has no mixed-type instance norm, and sums over an image overflow float16.
            return self._instance_norm(x.float()).to(x.dtype)
        if x.device.type == "cpu" and not torch.compiler.is_compiling() and _is_nhwc(x):
            # PyTorch's instance norm copies an NHWC tensor to NCHW and back; its batch norm of one
            # image computes the same in place, 3 times as fast forwards and backwards in bfloat16.
            images = (
                F.batch_norm(image, None, None, self.weight, self.bias, True, 0.0, self.eps)
                for image in x.split(1)
            )
            return torch.cat(list(images))
        return self._instance_norm(x)

    def _instance_norm(self, x: Tensor) -> Tensor:
        return F.instance_norm(x, weight=self.weight, bias=self.bias, eps=self.eps)


class ConvNorm(nn.Sequential):
    """Reflection padding, convolution, instance norm: N×C×H×W to N×C'×⌈H/stride⌉×⌈W/stride⌉."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.pad = nn.ReflectionPad2d(kernel // 2)
        self.conv = nn.Conv2d(channels_in, channels_out, kernel, stride)
        self.norm = InstanceNorm(channels_out)


MODULATION_UNIT = 4.0
"""What a modulation's parameters count in: Adam moves them by the learning rate, and they have
further to go than a norm's. Of 500 steps at width 8, content error near to far with the depth map:
0.53 in units of 1 and 0.35 in units of 4."""


class Modulation(nn.Module):
    """A map's say over features: y + m·(a·y + b), with a scale a and a shift b for each channel
    (feature-wise linear modulation, Perez et al. 2018, pixel by pixel); as built, none.

    N×C×H×W and N×1×H×W to N×C×H×W. It follows a norm: before one, what is the same all over a
    picture would be normalized away, and a constant map with it.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(channels, 1, 1))
        self.shift = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: Tensor, weight_map: Tensor) -> Tensor:
        scale, shift = (MODULATION_UNIT * p.to(x.dtype) for p in (self.scale, self.shift))
        return x + weight_map * (x * scale + shift)


class Residual(nn.Module):
    """Two 3×3 convolutions beside an identity; no ReLU after the sum (Gross and Wilber 2016).

    ``mapped``: what is between them follows a weight map, where one is given.
    """

    def __init__(self, channels: int, *, mapped: bool = False) -> None:
        super().__init__()
        self.conv1 = ConvNorm(channels, channels, 3)
        self.conv2 = ConvNorm(channels, channels, 3)
        self.modulation = Modulation(channels) if mapped else None

    def forward(self, x: Tensor, weight_map: Tensor | None = None) -> Tensor:
        inside = self.conv1(x)
        if weight_map is not None and self.modulation is not None:
            inside = self.modulation(inside, weight_map)
        return x + self.conv2(F.relu(inside))


class UpsampleConvNorm(nn.Module):
    """Nearest ×2 upsampling, reflection padding by 1, 3×3 convolution, instance norm.

    N×C×H×W to N×C'×2H×2W. The first three are computed at the small size, at 4/9 of the
    multiply-adds and exactly alike: a 3×3 window of the enlarged image covers only a 2×2 window of
    the small one, so each of the four positions an output pixel can have inside its small pixel is
    a 2×2 convolution whose taps are sums of the 3×3 kernel's. Window (i, j) serves the output
    pixels 2i−1 and 2i (2j−1 and 2j), so one convolution to 4C' channels, a pixel shuffle and the
    removal of the outermost ring give the picture; the reflection becomes a replication.
    """

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 3)
        self.norm = InstanceNorm(channels_out)

    def forward(self, x: Tensor) -> Tensor:
        bias = self.conv.bias
        assert bias is not None
        kernel = phase_kernels(self.conv.weight)
        x = F.conv2d(_replicate_border(x), kernel, bias.repeat_interleave(4))
        x = F.pixel_shuffle(x, 2)
        return self.norm(x[:, :, 1:-1, 1:-1])


class OutputConv(nn.Module):
    """Reflection padding, 9×9 convolution to RGB: N×C×H×W to N×3×H×W, H and W even.

    Three output channels leave most of a vector unit idle, so four neighbouring pixels are made at
    once: 12 channels by a 10×10 convolution of stride 2, whose kernels are the 9×9 one shifted, and
    a pixel shuffle. The same sums in less than half the time.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 3, 9)

    def forward(self, x: Tensor) -> Tensor:
        bias = self.conv.bias
        assert bias is not None
        shifts = [(right, 1 - right, down, 1 - down) for down in (0, 1) for right in (0, 1)]
        kernel = torch.stack([F.pad(self.conv.weight, shift) for shift in shifts], 1).flatten(0, 1)
        x = F.pad(x, (4, 4, 4, 4), mode="reflect")
        return F.pixel_shuffle(F.conv2d(x, kernel, bias.repeat_interleave(4), stride=2), 2)


class TransformNet(nn.Module):
    """The image transformation network of Johnson et al. 2016 with instance normalization.

    ``content`` N×3×H×W, RGB in [0,1], H and W at least 16, to ``output`` N×3×H×W: RGB, near [0,1]
    but not clamped. 9×9 convolution to ``width`` channels, two of stride 2 to 2 and 4 times as
    many, five residual blocks, two upsamplings, 9×9 convolution to 3. 1,679,235 parameters at
    width 32, those of pytorch/examples ``fast_neural_style``.

    ``mapped``: it takes a weight map, too, N×1×h×w in [0,1] of any resolution: 1 where the photo is
    to stay, 0 where the style may come, which is also what no map means. The map acts in the
    residual blocks.

    Raises ValueError where an image is smaller than 16 pixels on a side.
    """

    def __init__(self, width: int = 32, *, mapped: bool = False) -> None:
        super().__init__()
        if width < 1:
            raise ValueError(f"width must be at least 1, not {width}")
        self.width, self.mapped = width, mapped
        self.down1 = ConvNorm(3, width, 9)
        self.down2 = ConvNorm(width, 2 * width, 3, stride=2)
        self.down3 = ConvNorm(2 * width, 4 * width, 3, stride=2)
        self.residuals = nn.ModuleList(Residual(4 * width, mapped=mapped) for _ in range(5))
        self.up1 = UpsampleConvNorm(4 * width, 2 * width)
        self.up2 = UpsampleConvNorm(2 * width, width)
        self.out = OutputConv(width)

    def forward(self, content: Tensor, weight_map: Tensor | None = None) -> Tensor:
        height, width = content.shape[-2:]
        if not torch.compiler.is_exporting() and min(height, width) < MIN_SIZE:
            raise ValueError(
                f"images must be at least {MIN_SIZE}x{MIN_SIZE} pixels, found {width}x{height}"
            )
        x = content
        for layer in (self.down1, self.down2, self.down3):
            x = F.relu(layer(x))
        if weight_map is not None:
            weight_map = F.interpolate(weight_map, x.shape[-2:], mode="bilinear").to(x.dtype)
        for residual in self.residuals:
            x = residual(x, weight_map)
        for up in (self.up1, self.up2):
            x = F.relu(up(x))
        # The strides round sizes up to multiples of 4.
        x = self.out(x)[:, :, :height, :width].to(content.dtype)
        return x * OUTPUT_SCALE + OUTPUT_CENTRE


def phase_kernels(kernel: Tensor) -> Tensor:
    """C'×C×3×3 for the enlarged image to 4C'×C×2×2 for the small one; see ``UpsampleConvNorm``.

    >>> kernel = torch.arange(9.0).reshape(1, 1, 3, 3)
    >>> phase_kernels(kernel)[0, 0]  # above left: of the first two rows and columns, the sum
    tensor([[ 8.,  7.],
            [13.,  8.]])
    >>> torch.equal(kernel_of_phases(phase_kernels(kernel)), kernel)
    True
    """
    kernels = _sum_shared_taps(_sum_shared_taps(kernel, 2, 1), 4, 2)
    return kernels.reshape(-1, kernel.shape[1], 2, 2)


def kernel_of_phases(kernels: Tensor) -> Tensor:
    """The inverse of ``phase_kernels``: exact where no sum was rounded."""
    kernels = kernels.reshape(-1, 2, 2, kernels.shape[1], 2, 2)
    return _part_shared_taps(_part_shared_taps(kernels, 4, 2), 2, 1)


def rounded_for_float16(network: nn.Module) -> nn.Module:
    """A copy with the kernels of ``UpsampleConvNorm`` rounded so that float16 holds them and what
    ``phase_kernels`` makes of them exactly, and ``kernel_of_phases`` can undo it: to multiples of a
    power of 2, of which no sum has more than 2,048.
    """
    network = copy.deepcopy(network)
    for module in network.modules():
        if isinstance(module, UpsampleConvNorm):
            kernel = module.conv.weight.detach().float()
            step = (_largest_sum(kernel) / 2048).clamp_min(2.0**-24).log2().ceil().exp2()
            rounded = (kernel / step).round()
            # Where rounding has made a sum too large. So it is the same after a second time.
            step = torch.where(_largest_sum(rounded) > 2048, 2 * step, step)
            module.conv.weight.data.copy_((kernel / step).round() * step + 0.0)  # no -0.0
    return network


def _largest_sum(kernel: Tensor) -> Tensor:
    """C'×C×1×1: the largest magnitude on the way to ``phase_kernels``, by planes of the kernel."""
    pairs = _sum_shared_taps(kernel, 2, 1)
    fours = phase_kernels(kernel).unflatten(0, (-1, 4))
    largest = [kernel.abs().amax((2, 3)), pairs.abs().amax((1, 3, 4)), fours.abs().amax((1, 3, 4))]
    return torch.stack(largest).amax(0)[..., None, None]


def _part_shared_taps(kernels: Tensor, dim: int, phase_dim: int) -> Tensor:
    """The inverse of ``_sum_shared_taps``."""
    odd, even = kernels.unbind(phase_dim)
    (both, last), (first, other) = odd.unbind(dim), even.unbind(dim)
    return torch.stack((first, ((both - first) + (other - last)) / 2, last), dim)


def _sum_shared_taps(kernel: Tensor, dim: int, phase_dim: int) -> Tensor:
    """The 2-tap kernels, one for each of an output pixel's two phases, that along axis ``dim`` do
    to an image what the 3-tap ``kernel`` does to the same image enlarged; stacked at
    ``phase_dim``."""
    first, middle, last = kernel.unbind(dim)
    odd = torch.stack((first + middle, last), dim)
    even = torch.stack((first, middle + last), dim)
    return torch.stack((odd, even), phase_dim)


def _replicate_border(x: Tensor) -> Tensor:
    """Replication padding by 1."""
    if torch.compiler.is_compiling() and not torch.compiler.is_exporting():
        # torch.compile (PyTorch 2.15) takes wrong strides for this padding's backward pass in NHWC.
        x = torch.cat((x[:, :, :1], x, x[:, :, -1:]), 2)
        return torch.cat((x[..., :1], x, x[..., -1:]), 3)
    return F.pad(x, (1, 1, 1, 1), mode="replicate")


def _is_nhwc(x: Tensor) -> bool:
    return x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
