"""Depth networks."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from fststyle.config.options import check, parse_size, setting
from fststyle.config.training import RunConfig

DEPTH_DATA = (
    "NAME=FOLDER or NAME=IMAGES+DEPTHS, with @FROM:TO or @LIST.txt for a part of its pictures"
)


@dataclass(frozen=True, kw_only=True)
class DepthTrainConfig(RunConfig):
    """``depth train``: a network that tells depth from one picture."""

    preset: Literal["thesis"] | None = setting(
        "defaults of another setting; thesis: its fine-tuning on KITTI, which begins with --init",
        None,
    )
    network: Literal["vgg_head", "hourglass"] = setting("what is trained", "vgg_head")
    data: tuple[str, ...] = setting(f"pictures with depth: {DEPTH_DATA}", ())
    scenes: tuple[Path, ...] = setting(
        "folders of photos from which scenes of exact depth are rendered, as data named scenes", ()
    )
    share: tuple[str, ...] = setting(
        "NAME=X: how much of the samples a set gives (default: its number of pictures)", ()
    )
    val: tuple[str, ...] = setting("as --data, to validate on", ())
    init: Path | None = setting("a trained network of this kind to begin with", None)
    size: str = setting("HEIGHTxWIDTH of the crops in pixels, multiples of 16", "224x288")
    one_shape: bool = setting(
        "crops of --size alone; otherwise batches upright and square take turns with it", False
    )
    augment: bool = setting(
        "crops of random size, stretched, mirrored and coloured at random; without, the largest of"
        " their shape at random places",
        True,
    )
    pairs: int = setting("pairs of pixels per picture and step", 3000)
    near_pairs: float = setting("part of them that are at most --distance apart", 0.5)
    distance: int = setting("pixels", 40)
    min_gap: float = setting("smallest gap of an ordered pair, as part of the depth range", 0.01)
    equal_gap: float = setting("largest gap of an equal pair, as part of the depth range", 0.0)
    dropout: float = setting("part of the deepest features left out (vgg_head)", 0.1)
    weight_decay: float = setting("AdamW's weight decay", 0.01)
    batch_size: int = setting("pictures per step, over all processes", 8)
    scale_output: bool = setting(
        "scale the finished network's output to a mean of 0 and a deviation of 1 on the training"
        " pictures, so that weights of the depth loss mean the same for every network",
        True,
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
            "scale_output": False,
            "precision": "fp32",
        }
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        check(bool(self.data or self.scenes), "--data or --scenes is needed: pictures with depth")
        height, width = parse_size(self.size)
        for side in (height, width):
            check(side >= 32 and side % 16 == 0, f"--size takes multiples of 16, not {self.size}")
        check(self.pairs >= 1, f"--pairs must be at least 1, not {self.pairs}")
        check(self.distance >= 1, f"--distance must be at least 1, not {self.distance}")
        for name in ("near_pairs", "min_gap", "equal_gap", "dropout"):
            value = getattr(self, name)
            check(0 <= value <= 1, f"--{name.replace('_', '-')} must lie in [0, 1], not {value}")
        check(self.weight_decay >= 0, f"--weight-decay must be 0 or more, not {self.weight_decay}")
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


@dataclass(frozen=True, kw_only=True)
class DepthEvalConfig:
    """``depth eval``: how well networks order depths, beside trivial baselines."""

    checkpoints: tuple[str, ...] = setting(
        "depth networks: NAME.safetensors, or transformers:NAME", positional=True
    )
    data: tuple[str, ...] = setting(DEPTH_DATA)
    size: str = setting("pictures are compared at the area of HEIGHTxWIDTH pixels", "224x288")
    pairs: int = setting("pairs of pixels per picture", 5000)
    min_gap: float = setting("smallest gap of a pair, as part of the depth range", 0.01)
    distance: int = setting("largest distance of near pairs in pixels", 40)
    precision: Literal["auto", "fp32", "bf16", "fp16"] = setting("as in train", "fp32")
    device: str = setting("as in train", "auto")
    vgg_weights: Path | None = setting("as in train", None)
    json: Path | None = setting("also write the figures to this file", None)
    sheet: Path | None = setting("also draw pictures, true and predicted depth (PNG)", None)
    overwrite: bool = setting("replace --json and --sheet where they are there already", False)

    def __post_init__(self) -> None:
        check(min(parse_size(self.size)) >= 32, "--size must be 32x32 or more")
        check(self.pairs >= 1, f"--pairs must be at least 1, not {self.pairs}")
        check(self.distance >= 1, f"--distance must be at least 1, not {self.distance}")
        check(0 <= self.min_gap <= 1, f"--min-gap must lie in [0, 1], not {self.min_gap}")


@dataclass(frozen=True, kw_only=True)
class DepthPredictConfig:
    """``depth predict``: depth maps of pictures."""

    inputs: tuple[str, ...] = setting("pictures, folders or globs", positional=True)
    network: str | None = setting(
        "NAME.safetensors, NAME.onnx or transformers:NAME (default: the best that ships)", None
    )
    output: Path = setting("folder for the depth maps", Path("depth"))
    overwrite: bool = setting("replace depth maps that are there already", False)
    size: int | None = setting(
        "side of the square whose area pictures are reduced to (default: as in training)", None
    )
    flip: bool = setting("average with the mirrored picture's depth: twice the time, better", False)
    device: str = setting("as in train", "auto")
    vgg_weights: Path | None = setting("as in train", None)

    def __post_init__(self) -> None:
        check(self.size is None or self.size >= 32, f"--size must be at least 32, not {self.size}")


@dataclass(frozen=True, kw_only=True)
class DepthConvertConfig:
    """``depth convert``: somebody's hourglass network to our file, or ours to half the size."""

    source: Path = setting("Torch7 .t7, a PyTorch .pth/.pt, or a file of ours", positional=True)
    output: Path | None = setting(
        "the file to write, NAME.safetensors (default: beside the source)", None
    )
    overwrite: bool = setting("replace the file where it exists", False)
    half: bool = setting("store kernels as float16, at half the size", False)
    note: str | None = setting("what the card is to say beside the rest", None)
