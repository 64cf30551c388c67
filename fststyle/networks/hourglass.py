"""The hourglass network that tells depth from one picture (Chen, Fu, Yang and Deng 2016).

Where paper and code differ, this is the published Torch model (github.com/princeton-vl/
relative_depth, hourglass3.lua and inception_new.lua), of which MegaDepth's pytorch_DIW_scratch.py
is a transcript: the weights there are were trained with it, and they convert by order and shape
(``checkpoints.published_hourglass``), so the order in which modules are made here matters, too.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fststyle.networks.batch_norm import fold

MIN_SIZE = 32
"""Smallest height and width in pixels."""

MULTIPLE = 16
"""Four poolings by 2: heights and widths are padded to multiples of this inside."""


class Block(NamedTuple):
    """An inception block: what is in a row of the paper's table 1."""

    channels_in: int
    channels_out: int
    inner: int
    kernels: tuple[int, int, int]


BLOCKS = {
    "A": Block(128, 64, 64, (3, 7, 11)),
    "B": Block(128, 128, 32, (3, 5, 7)),
    "C": Block(128, 128, 64, (3, 7, 11)),
    "D": Block(128, 256, 32, (3, 5, 7)),
    "E": Block(256, 256, 32, (3, 5, 7)),
    "F": Block(256, 256, 64, (3, 7, 11)),
    "G": Block(256, 128, 32, (3, 5, 7)),
    # The figure has B and A in their place; the published model widens the one, narrows the other.
    "B64": Block(128, 128, 64, (3, 5, 7)),
    "A32": Block(128, 64, 32, (3, 7, 11)),
}
"""The blocks by letter."""


class Level(NamedTuple):
    """What one level of the hourglass is made of, by the names of ``BLOCKS``."""

    skip: tuple[str, ...]
    before: tuple[str, ...]
    """after the pooling, before the next level"""
    after: tuple[str, ...]
    """after the next level, before the upsampling"""
    max_pool: bool
    """whether it pools the maximum or the average"""
    skip_first: bool
    """which branch's parameters come first in the published order"""


LEVELS = {
    4: Level(("A",), ("B", "B"), ("B64", "A32"), max_pool=True, skip_first=False),
    3: Level(("B", "C"), ("B", "D"), ("E", "G"), max_pool=True, skip_first=False),
    2: Level(("E", "F"), ("E", "E"), ("E", "F"), max_pool=False, skip_first=True),
    1: Level(("E", "E"), ("E", "E", "E"), (), max_pool=False, skip_first=True),
}
"""The levels, level 4 at the image's size and level 1 at an eighth of it."""


class ConvNorm(nn.Module):
    """k×k convolution with "same" padding and a bias, batch norm, ReLU: N×C×H×W to N×C'×H×W."""

    def __init__(self, channels_in: int, channels_out: int, kernel: int, affine: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2)
        self.norm: nn.Module = nn.BatchNorm2d(channels_out, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(self.conv(x)))

    def fold_norm(self) -> None:
        """See ``networks.batch_norm``."""
        self.norm = fold(self.norm, self.conv)


class Inception(nn.Module):
    """A 1×1 convolution, and three of 1×1 to the inner width and k×k after it; concatenated.

    Each gives a quarter of the output channels. N×C×H×W to N×C'×H×W.
    """

    def __init__(self, block: Block) -> None:
        super().__init__()
        quarter = block.channels_out // 4
        branches: list[nn.Module] = [ConvNorm(block.channels_in, quarter, 1, affine=False)]
        for kernel in block.kernels:
            reduce = ConvNorm(block.channels_in, block.inner, 1, affine=False)
            branches.append(
                nn.Sequential(reduce, ConvNorm(block.inner, quarter, kernel, affine=False))
            )
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


class HourglassLevel(nn.Module):
    """The sum of a skip branch and of one at half the size, with the next level inside.

    N×C×H×W to N×C'×H×W, H and W even.
    """

    def __init__(self, number: int, upsampling: str) -> None:
        super().__init__()
        level = LEVELS[number]
        self.upsampling = upsampling
        self.max_pool = level.max_pool
        if level.skip_first:
            self.skip = _blocks(level.skip)
        self.pooled = _blocks(level.before)
        if number > 1:
            self.pooled.append(HourglassLevel(number - 1, upsampling))
        self.pooled.extend(_blocks(level.after))
        if not level.skip_first:
            self.skip = _blocks(level.skip)

    def forward(self, x: Tensor) -> Tensor:
        small = F.max_pool2d(x, 2) if self.max_pool else F.avg_pool2d(x, 2)
        pooled = self.pooled(small)
        return self.skip(x) + F.interpolate(pooled, scale_factor=2.0, mode=self.upsampling)


class HourglassDepth(nn.Module):
    """Relative depth from one picture, reference section 4 (Chen et al. 2016, figure 4, table 1).

    ``image`` N×3×H×W, RGB in [0,1], H and W at least 32, to N×1×H×W: depth up to scale and shift,
    larger = farther. 7×7 convolution to 128 channels, batch norm and ReLU; four levels one inside
    the other; 3×3 convolution to one channel. 5,357,153 parameters. Images are taken as they are,
    with no mean or deviation, and padded at the bottom and on the right, where their size is no
    multiple of 16, by repeating their last row and column. ``torch.export`` with dynamic H and W
    needs to be told that they are at least 32.

    Args:
        upsampling: "bilinear", as the thesis has it, or "nearest", as the published Torch model and
            its PyTorch transcripts do: weights from there need it. Nearest leaves steps of 8 pixels
            in the maps of a network trained for a short time.

    Raises ValueError where an image is smaller than 32 pixels on a side.
    """

    def __init__(self, upsampling: str = "bilinear") -> None:
        super().__init__()
        assert upsampling in ("bilinear", "nearest")
        self.upsampling = upsampling
        self.stem = ConvNorm(3, 128, 7, affine=True)
        self.levels = HourglassLevel(max(LEVELS), upsampling)
        self.out = nn.Conv2d(64, 1, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        if not torch.compiler.is_exporting() and min(height, width) < MIN_SIZE:
            raise ValueError(
                f"depth needs images of at least {MIN_SIZE}x{MIN_SIZE} pixels,"
                f" found {width}x{height}"
            )
        x = _extend(image)
        return _crop(self.out(self.levels(self.stem(x))), height, width)


def _extend(x: Tensor) -> Tensor:
    """``x`` with its last row and column repeated up to multiples of ``MULTIPLE``."""
    height, width = x.shape[-2:]
    # Rounding up first is the form in which torch.export sees that the halvings come out even.
    down = (height + MULTIPLE - 1) // MULTIPLE * MULTIPLE - height
    right = (width + MULTIPLE - 1) // MULTIPLE * MULTIPLE - width
    if torch.compiler.is_compiling() and not torch.compiler.is_exporting():
        # torch.compile (PyTorch 2.15) takes wrong strides for this padding's backward pass in NHWC.
        x = torch.cat((x, x[:, :, -1:].expand(-1, -1, down, -1)), 2)
        return torch.cat((x, x[..., -1:].expand(-1, -1, -1, right)), 3)
    return F.pad(x, (0, right, 0, down), mode="replicate")


def _crop(x: Tensor, height: int, width: int) -> Tensor:
    """The upper left ``height`` × ``width`` pixels of ``x``."""
    if torch.compiler.is_exporting():
        # Of a slice, torch.export would have to know whether it leaves something out.
        rows, columns = (torch.arange(side, device=x.device) for side in (height, width))
        return x.index_select(2, rows).index_select(3, columns)
    return x[:, :, :height, :width]


def _blocks(names: tuple[str, ...]) -> nn.Sequential:
    return nn.Sequential(*(Inception(BLOCKS[name]) for name in names))
