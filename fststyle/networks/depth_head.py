"""Depth read from VGG-19's own features by a light decoder, so that style training, which computes
these features anyway, gets a depth loss for a few per cent of its step."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fststyle.networks.batch_norm import fold
from fststyle.networks.vgg import VGG19Features

LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
"""The layers of VGG-19 that are read: the style loss's own."""

MIN_SIZE = 32
"""Smallest height and width in pixels."""

FAST_WIDTH = 96
"""Of the head of ``FastDepth``."""


class _Conv(nn.Sequential):
    """k×k convolution, batch norm, ReLU; the size stays."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int) -> None:
        super().__init__(
            nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(channels_out),
            nn.ReLU(),
        )

    def fold_norm(self) -> None:
        """See ``networks.batch_norm``."""
        self[1] = fold(self[1], self[0])


class _Residual(nn.Module):
    """x + two 3×3 convolutions of x."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(_Conv(channels, channels, 3), _Conv(channels, channels, 3))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.convs(x)


class _Up(nn.Module):
    """Bilinear upsampling to the size of a finer map, which is added after a 1×1 convolution; then
    a 3×3 convolution."""

    def __init__(self, channels_in: int, channels_side: int, channels_out: int) -> None:
        super().__init__()
        self.coarse = nn.Conv2d(channels_in, channels_out, 1, bias=False)
        self.side = nn.Conv2d(channels_side, channels_out, 1, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(channels_out)
        self.conv = _Conv(channels_out, channels_out, 3)

    def forward(self, coarse: Tensor, side: Tensor) -> Tensor:
        # The 1×1 convolution comes first: it commutes with the upsampling and is cheaper there.
        up = _resize(self.coarse(coarse), side)
        return self.conv(F.relu(self.norm(up + self.side(side))))

    def fold_norm(self) -> None:
        """See ``networks.batch_norm``."""
        # Upsampling is a mean of pixels: a factor on each channel may come before it.
        self.norm = fold(self.norm, self.coarse, self.side)


class VGGDepthHead(nn.Module):
    """Relative depth from the feature maps of ``LAYERS``; larger = farther.

    The deepest map, seen at 1/8 of the image's size, is reduced to 1/16, 1/32 and one value for the
    whole picture, so that every place knows the scene's layout and how high in the picture it lies;
    then three steps up take the outlines from the finer maps. With one block 2.8 M parameters and
    7 % of the multiply-adds of VGG-19 to relu4_3.

    Args:
        dropout: share of the deepest map's channels that are left out in training.
        width: channels at 1/8 of the size and below, a multiple of 16.
        blocks: residual blocks at 1/16 and at 1/32 each.
        reads: channels of ``LAYERS``.
    """

    def __init__(
        self,
        dropout: float = 0.0,
        *,
        width: int = 256,
        blocks: int = 1,
        reads: Sequence[int] = (64, 128, 256, 512),
    ) -> None:
        super().__init__()
        self.built = {"width": width, "blocks": blocks}
        self.dropout = nn.Dropout2d(dropout)
        self.deepest = _Conv(reads[3], width, 1)
        self.at16 = _Residual(width)
        self.more16 = nn.Sequential(*(_Residual(width) for _ in range(blocks - 1)))
        self.at32 = _Residual(width + 1)
        self.more32 = nn.Sequential(*(_Residual(width + 1) for _ in range(blocks - 1)))
        self.whole = nn.Linear(width + 1, width)
        self.back16 = nn.Conv2d(width + 1, width, 1)
        self.up8 = _Up(width, width, width // 2)
        self.up4 = _Up(width // 2, reads[2], width // 4)
        self.up2 = _Up(width // 4, reads[1], width // 8)
        self.up1 = _Up(width // 8, reads[0], width // 16)
        self.out = nn.Conv2d(width // 16, 1, 3, padding=1)

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Feature maps of an N×3×H×W image by layer name to N×1×H×W, H and W 32 or more."""
        at8 = self.deepest(self.dropout(features["relu4_3"]))
        at16 = self.more16(self.at16(_halved(at8)))
        at32 = _halved(at16)
        at32 = self.more32(self.at32(torch.cat([at32, _rows(at32)], 1)))
        whole = self.whole(at32.mean(dim=(2, 3)))[..., None, None]
        at16 = F.relu(at16 + _resize(self.back16(at32), at16) + whole)
        x = self.up8(at16, at8)
        x = self.up4(x, features["relu3_3"])
        x = self.up2(x, features["relu2_2"])
        x = self.up1(x, features["relu1_2"])
        return self.out(x)

    @torch.no_grad()
    def divide_inputs(self, divisors: Mapping[str, float]) -> None:
        """Make it read feature maps that are ``divisors[layer]`` times as large."""
        readers = {
            "relu4_3": self.deepest[0],
            "relu3_3": self.up4.side,
            "relu2_2": self.up2.side,
            "relu1_2": self.up1.side,
        }
        for layer, conv in readers.items():
            assert isinstance(conv, nn.Conv2d)
            conv.weight.div_(divisors[layer])


def _resize(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


def _halved(x: Tensor) -> Tensor:
    """N×C×H×W to N×C×⌈H/2⌉×⌈W/2⌉ by means of 2×2 pixels, at an odd end of the last alone.

    Not by the pooling's own ``ceil_mode``, which OpenCV computes otherwise.
    """
    return F.avg_pool2d(F.pad(x, (0, 1, 0, 1), mode="replicate"), 2)


def _rows(x: Tensor) -> Tensor:
    """N×1×H×W: how far down each pixel of ``x`` lies, −1 at the top to 1 at the bottom."""
    height = x.shape[-2]
    rows = (torch.arange(height, device=x.device, dtype=torch.float32) * 2 + 1) / height - 1
    return rows.to(x.dtype).view(1, 1, -1, 1).expand(x.shape[0], 1, height, x.shape[-1])


class _FeatureDepth(nn.Module):
    """A head with the network whose features it reads, as one network of images.

    N×3×H×W RGB in [0,1] to N×1×H×W relative depth, larger = farther; H and W 32 or more.
    """

    def __init__(self, extractor: VGG19Features, head: VGGDepthHead) -> None:
        super().__init__()
        self.extractor, self.head = extractor, head

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.extractor(image, LAYERS))


class VGGDepth(_FeatureDepth):
    """``VGGDepthHead`` with the VGG-19 that it reads, which a style's loss may share."""


class FastDepth(_FeatureDepth):
    """A depth network for run time: the layers of a loss network narrower than VGG-19, trained
    along, and a light head. It is made for pictures of about 160×208 pixels.

    Args:
        extractor: with layers down to relu4_3; its weights become the network's own.
    """

    def __init__(self, extractor: VGG19Features, dropout: float = 0.0) -> None:
        convs = [extractor.convs[layer.removeprefix("relu")] for layer in LAYERS]
        reads = [len(conv.weight) for conv in convs if isinstance(conv, nn.Conv2d)]
        super().__init__(extractor, VGGDepthHead(dropout, width=FAST_WIDTH, reads=reads))
        extractor.requires_grad_(True)

    @property
    def out(self) -> nn.Conv2d:
        """The last convolution."""
        return self.head.out
