"""Depth networks."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from fststyle.config.runs import RunConfig
from fststyle.config.settings import (
    FilePath,
    OptionalPath,
    OptionalText,
    Paths,
    Settings,
    Several,
    Size,
    Texts,
    at_least,
    check,
    parse_size,
    setting,
    within,
)
from fststyle.config.shared import PRECISION, DeviceSettings, Precision, ReportSettings

DEPTH_DATA = (
    "NAME=FOLDER or NAME=IMAGES+DEPTHS, with @FROM:TO or @LIST.txt for a part of its pictures"
)


class DepthTrainConfig(RunConfig):
    """``depth train``: a network that tells depth from one picture."""

    preset: Literal["thesis"] | None = setting(
        "defaults of another setting; thesis: its fine-tuning on KITTI, which begins with --init",
        default=None,
    )
    network: Literal["vgg_head", "fast", "hourglass"] = setting(
        "what is trained", default="vgg_head"
    )
    data: Texts = setting(f"pictures with depth: {DEPTH_DATA}", default=())
    scenes: Paths = setting(
        "folders of photos from which scenes of exact depth are rendered, as data named scenes",
        default=(),
    )
    share: Several[str] = setting(
        "NAME=X: how much of the samples a set gives (default: its number of pictures)", default=()
    )
    val: Texts = setting("as --data, to validate on", default=())
    init: OptionalPath = setting("a trained network of this kind to begin with", default=None)
    size: Size = setting("HEIGHTxWIDTH of the crops in pixels, multiples of 16", default="224x288")
    one_shape: bool = setting(
        "crops of --size alone; otherwise batches upright and square take turns with it",
        default=False,
    )
    augment: bool = setting(
        "crops of random size, stretched, mirrored and coloured at random; without, the largest of"
        " their shape at random places",
        default=True,
    )
    pairs: int = setting("pairs of pixels per picture and step", default=3000)
    near_pairs: float = setting("part of them that are at most --distance apart", default=0.5)
    distance: int = setting("pixels", default=40)
    min_gap: float = setting(
        "smallest gap of an ordered pair, as part of the depth range", default=0.01
    )
    equal_gap: float = setting(
        "largest gap of an equal pair, as part of the depth range", default=0.0
    )
    dense_weight: float = setting(
        "weight of the loss on whole maps, by their pixels' ranks, beside that on pairs",
        default=0.5,
    )
    gradient_weight: float = setting("part in it of the gradients, which sharpen", default=0.5)
    dropout: float = setting("part of the deepest features left out (vgg_head, fast)", default=0.1)
    both_paddings: bool = setting(
        "in every other step VGG-19 sees mirrored pictures, as in a style's loss (vgg_head)",
        default=True,
    )
    blocks: int = setting("residual blocks at each coarse size (vgg_head)", default=1)
    weight_decay: float = setting("AdamW's weight decay", default=0.01)
    batch_size: int = setting("pictures per step, over all processes", default=8)
    scale_output: bool = setting(
        "scale the finished network's output to a mean of 0 and a deviation of 1 on the training"
        " pictures, so that weights of the depth loss mean the same for every network",
        default=True,
    )

    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "thesis": {
            "network": "hourglass",
            "size": "224x288",
            "one_shape": True,
            "augment": False,
            "near_pairs": 1.0,
            "distance": 40,
            "min_gap": 0.01,
            "equal_gap": 0.0,
            "dense_weight": 0.0,
            "scale_output": False,
            "precision": "fp32",
        }
    }

    EARLIER: ClassVar[Mapping[str, Any]] = {"dense_weight": 0.0, "both_paddings": False}
    """What runs did that were begun before there were these settings."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(bool(self.data or self.scenes), "--data or --scenes is needed: pictures with depth")
        height, width = parse_size(self.size)
        for side in (height, width):
            check(side >= 32 and side % 16 == 0, f"--size takes multiples of 16, not {self.size}")
        at_least(1, self, "pairs", "distance")
        within(0, 1, self, "near_pairs", "min_gap", "equal_gap", "dropout")
        within(1, 8, self, "blocks")
        at_least(0, self, "weight_decay", "dense_weight", "gradient_weight")
        for share in self.share:
            parse_share(share)


def parse_share(text: str) -> tuple[str, float]:
    """(name, share) out of "nyu=2.5"; raises ValueError."""
    name, _, value = text.partition("=")
    try:
        share = float(value)
    except ValueError as error:
        raise ValueError(f"--share takes NAME=NUMBER, not {text!r}") from error
    check(share > 0 and math.isfinite(share), f"--share must be above 0, found {text!r}")
    return name, share


class DepthEvalConfig(ReportSettings, DeviceSettings):
    """``depth eval``: how well networks order depths, beside trivial baselines."""

    checkpoints: Texts = setting(
        "depth networks: NAME.safetensors, or transformers:NAME", kw_only=False
    )
    data: Texts = setting(DEPTH_DATA)
    size: Size = setting(
        "pictures are compared at the area of HEIGHTxWIDTH pixels", default="224x288"
    )
    pairs: int = setting("pairs of pixels per picture", default=5000)
    min_gap: float = setting("smallest gap of a pair, as part of the depth range", default=0.01)
    distance: int = setting("largest distance of near pairs in pixels", default=40)
    precision: Precision = setting(PRECISION, default="fp32")
    sheet: OptionalPath = setting(
        "also draw pictures, true and predicted depth (PNG)", default=None
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check(min(parse_size(self.size)) >= 32, "--size must be 32x32 or more")
        at_least(1, self, "pairs", "distance")
        within(0, 1, self, "min_gap")


class DepthSettings(DeviceSettings):
    """Which network tells the depth of pictures, and how it sees them."""

    network: OptionalText = setting(
        "vgg_head, fast or hourglass, which ship, NAME.safetensors, NAME.onnx or"
        " transformers:NAME (default: the best that ships; without PyTorch, fast)",
        default=None,
    )
    size: int | None = setting(
        "side of the square whose area pictures are reduced to (default: as in training)",
        default=None,
    )
    flip: bool = setting(
        "average with the mirrored picture's depth: twice the time, better", default=False
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(32, self, "size")


class DepthPredictConfig(DepthSettings):
    """``depth predict``: depth maps of pictures and videos."""

    inputs: Texts = setting("pictures, folders, globs or videos", kw_only=False)
    output: FilePath = setting("folder for the depth maps", default=Path("depth"))
    overwrite: bool = setting("replace depth maps that are there already", default=False)


class DepthConvertConfig(Settings):
    """``depth convert``: somebody's hourglass network to our file, or ours to half the size."""

    source: FilePath = setting("Torch7 .t7, a PyTorch .pth/.pt, or a file of ours", kw_only=False)
    output: OptionalPath = setting(
        "the file to write, NAME.safetensors (default: beside the source)", default=None
    )
    overwrite: bool = setting("replace the file where it exists", default=False)
    half: bool = setting("store kernels as float16, at half the size", default=False)
    note: str | None = setting("what the card is to say beside the rest", default=None)
