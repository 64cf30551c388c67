"""Every setting of every command, once: frozen dataclasses from which argparse is built."""

import argparse
import dataclasses
import itertools
import math
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

from fststyle.shipped import CHECKPOINTS, shipped_styles, style_file

Config = TypeVar("Config")


def setting(help: str, default: Any = dataclasses.MISSING, *, positional: bool = False) -> Any:
    """A dataclass field that is also a command-line option."""
    return field(default=default, metadata={"help": help, "positional": positional})


def check(condition: bool, message: str) -> None:
    """Raise ValueError(message) unless ``condition``."""
    if not condition:
        raise ValueError(message)


@dataclass(frozen=True, kw_only=True)
class LoopConfig:
    """What the training loop itself reads, whatever it trains."""

    steps: int = setting("optimizer steps in all", 2000)
    batch_size: int = setting("photos per step, over all processes", 4)
    lr: float = setting("Adam's learning rate", 1e-3)
    lr_decay: float = setting("last part of the steps over which the rate falls to zero", 0.3)
    seed: int = setting("seed of the first weights and of the crops", 0)
    accumulate: int = setting("split each step into this many parts, to save memory", 1)
    clip_grad: float | None = setting("largest norm of the gradient (default: not clipped)", None)
    precision: Literal["auto", "fp32", "bf16", "fp16"] = setting(
        "arithmetic of the networks; auto takes bf16 or fp16 where the device is fast at it", "auto"
    )
    device: str = setting("auto, cpu, cuda, cuda:1, mps …", "auto")
    compile: bool = setting("torch.compile the trained network (needs a C++ compiler)", False)
    workers: int | None = setting("processes that read photos (default: by the cores)", None)
    checkpoint_interval: int = setting("steps between checkpoints", 200)
    picture_interval: int = setting("steps between validations, with pictures in TensorBoard", 200)

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "accumulate", "checkpoint_interval"):
            value = getattr(self, name)
            check(value >= 1, f"--{name.replace('_', '-')} must be at least 1, not {value}")
        check(self.picture_interval >= 1, "--picture-interval must be at least 1")
        check(
            self.batch_size % self.accumulate == 0,
            f"--batch-size {self.batch_size} cannot be split into {self.accumulate} equal parts"
            " (--accumulate)",
        )
        check(self.lr > 0 and math.isfinite(self.lr), f"--lr must be above 0, not {self.lr}")
        check(0 <= self.lr_decay <= 1, f"--lr-decay must lie in [0, 1], not {self.lr_decay}")
        check(self.seed >= 0, f"--seed must not be negative, found {self.seed}")
        check(self.workers is None or self.workers >= 0, "--workers must not be negative")
        check(
            self.clip_grad is None or self.clip_grad > 0,
            f"--clip-grad must be above 0, not {self.clip_grad}",
        )


@dataclass(frozen=True, kw_only=True)
class RunConfig(LoopConfig):
    """A training run, whatever it trains."""

    name: str = setting("name of what is trained; names the files it leaves")
    run_dir: Path | None = setting("folder of the run (default: runs/NAME)", None)
    resume: bool = setting("go on from the run folder's last checkpoint", False)
    vgg_weights: Path | None = setting(
        "VGG-19 weights (default: $FSTSTYLE_ASSETS, then torchvision's)", None
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check(
            self.name != "" and self.name == Path(self.name).name and self.name[0] not in ".-",
            f"--name names files, so it must be a plain file name, not {self.name!r}",
        )

    @property
    def folder(self) -> Path:
        """The run folder."""
        return run_folder(vars(self))


def run_folder(options: Mapping[str, Any]) -> Path:
    """The folder of the run that ``options`` name; raises ValueError where they name none."""
    if options.get("run_dir"):
        return Path(options["run_dir"])
    check("name" in options, "--name is needed: it names the run")
    return Path("runs") / options["name"]


METHODS = ("plain", "weighted", "depth", "combined")
"""The thesis's four: neither, content weighted by depth, depth loss, both."""


@dataclass(frozen=True, kw_only=True)
class ObjectiveConfig:
    """What stylized pictures are judged by."""

    style: tuple[Path, ...] = setting("painting, or several that are blended into one style")
    style_size: tuple[int, ...] = setting(
        "longer side of the painting in pixels; several sizes are averaged", (512,)
    )
    style_blend: tuple[float, ...] = setting(
        "parts that the paintings have in the style, a number each (default: equal)", ()
    )
    preset: Literal["thesis"] | None = setting(
        "defaults of another setting; thesis: that of the thesis this implements", None
    )
    method: Literal["plain", "weighted", "depth", "combined"] = setting(
        "plain; weighted: content counts more where it is near; depth: a loss keeps the scene's"
        " depth; combined: both",
        "combined",
    )
    content_weight: float = setting("weight of the content loss", 1.0)
    style_weight: float = setting("weight of the style loss", 4.0)
    depth_weight: float = setting("weight of the depth loss (methods depth and combined)", 8.0)
    depth_shift_free: bool = setting(
        "leave out of the depth loss what is the same all over a picture: relative depth has no"
        " zero",
        True,
    )
    tv_weight: float = setting("weight of the total variation", 0.0)
    alpha_min: float = setting(
        "factor on the content loss where a picture is farthest (weighted and combined)", 0.2
    )
    alpha_max: float = setting("factor where it is nearest", 5.0)
    weight_map: str = setting(
        "what tells near from far: depth; horizontal or vertical, an even gradient to the right or"
        " to the bottom; or a folder of greyscale maps named as the photos, white = near",
        "depth",
    )
    depth_network: str | None = setting(
        "NAME.safetensors or transformers:NAME (default: the best that ships)", None
    )
    loss_network: str = setting(
        "what looks at pictures: vgg19; small, which ships, takes a fraction of the time and is not"
        " as good; or a file of loss train",
        "vgg19",
    )
    content_layers: tuple[str, ...] = setting("VGG-19 layers of the content loss", ("relu2_2",))
    style_layers: tuple[str, ...] = setting(
        "VGG-19 layers of the style loss", ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
    )
    calibrate: bool = setting(
        "scale VGG's layers to a mean activation of 1, so that weights mean the same everywhere",
        True,
    )
    loss_downscale: int = setting(
        "average pooling by this factor before the loss networks, to save time and memory", 1
    )

    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "thesis": {
            "loss_downscale": 2,
            "calibrate": False,
            "content_weight": 1.0,
            "style_weight": 1000.0,
            "depth_weight": 20.0,
            "depth_shift_free": False,
            "alpha_min": 1.0,
            "alpha_max": 5.0,
        }
    }

    def __post_init__(self) -> None:
        check(len(self.style) > 0, "--style needs at least one painting")
        for size in self.style_size:
            check(size >= 32, f"--style-size must be at least 32, not {size}")
        check(
            len(self.style_blend) in (0, len(self.style)),
            f"--style-blend takes a number for each painting: {len(self.style)}, not"
            f" {len(self.style_blend)}",
        )
        parts = self.style_blend or (1.0,)
        check(
            all(part >= 0 and math.isfinite(part) for part in parts) and sum(parts) > 0,
            f"--style-blend takes numbers of 0 or more, not all 0, found {self.style_blend}",
        )
        for name in ("content_weight", "style_weight", "depth_weight", "tv_weight"):
            value = getattr(self, name)
            flag = f"--{name.replace('_', '-')}"
            check(value >= 0 and math.isfinite(value), f"{flag} must be 0 or more, not {value}")
        for name in ("alpha_min", "alpha_max"):
            value = getattr(self, name)
            flag = f"--{name.replace('_', '-')}"
            check(value > 0 and math.isfinite(value), f"{flag} must be above 0, not {value}")
        check(len(self.content_layers) > 0, "--content-layers needs at least one layer")
        check(len(self.style_layers) > 0, "--style-layers needs at least one layer")
        check(self.loss_downscale >= 1, "--loss-downscale must be at least 1")
        check(
            self.weights_content or self.weight_map == "depth",
            f"--method {self.method} weights no content, so --weight-map has no use: leave it out,"
            " or choose weighted or combined",
        )

    @property
    def weights_content(self) -> bool:
        """Whether the content loss has a weight map."""
        return self.method in ("weighted", "combined")

    @property
    def keeps_depth(self) -> bool:
        """Whether there is a depth loss."""
        return self.method in ("depth", "combined") and self.depth_weight > 0

    @property
    def needs_depth(self) -> bool:
        """Whether a depth network is needed, for the loss or for the weights."""
        return self.keeps_depth or (self.weights_content and self.weight_map == "depth")


@dataclass(frozen=True, kw_only=True)
class StyleTrainConfig(ObjectiveConfig, RunConfig):
    """``train``: one style network from a painting and a folder of photos."""

    content: Path = setting("folder of photos, searched recursively")
    val: Path | None = setting("photos to validate on (default: some of --content)", None)
    image_size: str = setting("side of the training crops in pixels, or HEIGHTxWIDTH", "256")
    width: int = setting("channels of the network's first layer", 32)
    init: Path | None = setting("a trained style network to begin with, of any style", None)
    depth_cache: str | None = setting(
        "folder that keeps the photos' depth for later runs, or off (default: the user's cache)",
        None,
    )

    PRESETS: ClassVar = {"thesis": {**ObjectiveConfig.PRESETS["thesis"], "image_size": "512x640"}}

    def __post_init__(self) -> None:
        RunConfig.__post_init__(self)
        ObjectiveConfig.__post_init__(self)
        shorter = min(self.crop_size)
        check(shorter >= 32, f"--image-size must be at least 32, not {self.image_size}")
        check(
            shorter >= 40 * self.loss_downscale or not self.keeps_depth,
            f"--image-size {self.image_size} leaves the depth loss too little to see behind"
            f" --loss-downscale {self.loss_downscale}: choose a larger one, or another --method",
        )
        check(self.width >= 1, f"--width must be at least 1, not {self.width}")

    @property
    def val_folder(self) -> Path:
        """The folder of the photos to validate on."""
        return self.val or self.content

    @property
    def crop_size(self) -> tuple[int, int]:
        """(height, width) of the training crops."""
        return parse_size(self.image_size)


@dataclass(frozen=True, kw_only=True)
class OptimizeConfig(ObjectiveConfig):
    """``optimize``: one picture at a time, its pixels in a network's place."""

    inputs: tuple[str, ...] = setting("photos, folders or globs", positional=True)
    output: Path = setting("the picture to write; for several photos a folder", Path("out"))
    size: tuple[int, ...] = setting(
        "longer side of the picture in pixels, never enlarged; several, from coarse to fine: each"
        " begins with what the one before found",
        (640,),
    )
    steps: tuple[int, ...] = setting("steps; for several sizes one number or one for each", (200,))
    optimizer: Literal["lbfgs", "adam"] = setting("method of descent", "lbfgs")
    lr: float | None = setting("length of the steps (default: 1 for lbfgs, 0.02 for adam)", None)
    history: int = setting("steps that L-BFGS remembers, at 24 bytes per pixel each", 20)
    tv_weight: float = setting(
        "weight of the total variation, which takes out noise of single pixels", 4.0
    )
    init: str = setting(
        "what to begin with: content, noise, a trained network (NAME.safetensors) or a picture",
        "content",
    )
    keep_colour: bool = setting("the photo's colours; the painting gives light and shade", False)
    bits: int = setting("bits per channel of PNG and TIFF, 8 or 16", 8)
    record: bool = setting(
        "also write NAME.png.json beside each picture: settings, the losses of every step, seconds;"
        " evaluate and compare read it",
        False,
    )
    progress: Path | None = setting(
        "folder for pictures in between and TensorBoard's files (default: none)", None
    )
    picture_interval: int = setting("steps between pictures in --progress", 50)
    skip_existing: bool = setting("leave out photos whose picture is there already", False)
    seed: int = setting("seed of noise", 0)
    precision: Literal["auto", "fp32", "bf16"] = setting(
        "arithmetic of the networks; auto takes bf16 where the device is fast at it", "auto"
    )
    device: str = setting("as in train", "auto")
    vgg_weights: Path | None = setting("as in train", None)

    PRESETS: ClassVar = {
        "thesis": {**ObjectiveConfig.PRESETS["thesis"], "size": (640,), "tv_weight": 0.0}
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        least = 32 * self.loss_downscale
        check(
            len(self.size) > 0 and all(size >= least for size in self.size),
            f"--size takes {least} pixels or more, found {self.size}",
        )
        check(
            list(self.size) == sorted(set(self.size)),
            f"--size goes from coarse to fine, found {' '.join(map(str, self.size))}",
        )
        check(
            len(self.steps) in (1, len(self.size)) and all(steps >= 1 for steps in self.steps),
            f"--steps takes one number, or one for each of {len(self.size)} sizes, of 1 or more;"
            f" found {' '.join(map(str, self.steps))}",
        )
        check(
            self.lr is None or (self.lr > 0 and math.isfinite(self.lr)),
            f"--lr must be above 0, not {self.lr}",
        )
        check(self.history >= 1, f"--history must be at least 1, not {self.history}")
        check(self.bits in (8, 16), f"--bits must be 8 or 16, not {self.bits}")
        check(self.picture_interval >= 1, "--picture-interval must be at least 1")
        check(self.seed >= 0, f"--seed must not be negative, found {self.seed}")


DEPTH_DATA = (
    "NAME=FOLDER or NAME=IMAGES+DEPTHS, with @FROM:TO or @LIST.txt for a part of its pictures"
)


@dataclass(frozen=True, kw_only=True)
class DepthTrainConfig(RunConfig):
    """``depth train``: a network that tells depth from one picture."""

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
    pairs: int = setting("pairs of pixels per picture and step", 3000)
    near_pairs: float = setting("part of them that are at most --distance apart", 0.5)
    distance: int = setting("pixels", 40)
    min_gap: float = setting("smallest gap of an ordered pair, as part of the depth range", 0.01)
    equal_gap: float = setting("largest gap of an equal pair, as part of the depth range", 0.0)
    dropout: float = setting("part of the deepest features left out (vgg_head)", 0.1)
    weight_decay: float = setting("AdamW's weight decay", 0.01)
    batch_size: int = setting("pictures per step, over all processes", 8)

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


def parse_size(text: str) -> tuple[int, int]:
    """Two numbers out of "224x288", or one twice out of "224"; raises ValueError."""
    try:
        sides = [int(part) for part in text.lower().split("x")]
    except ValueError:
        sides = []
    check(len(sides) in (1, 2), f"a size is 256, or two numbers such as 224x288, not {text!r}")
    return sides[0], sides[-1]


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
    output: Path | None = setting("the file to write (default: beside the source)", None)
    half: bool = setting("store kernels as float16, at half the size", False)
    note: str | None = setting("what the card is to say beside the rest", None)


@dataclass(frozen=True, kw_only=True)
class LossTrainConfig:
    """``loss train``: a small loss network out of VGG-19."""

    data: tuple[Path, ...] = setting(
        "folders of pictures, each seen equally often: photos, paintings, stylized photos"
    )
    val: Path = setting("folder of photos on which the two are compared")
    output: Path = setting("the file to write", Path("small.safetensors"))
    widths: tuple[int, ...] = setting("channels of the four blocks", (32, 64, 128, 192))
    pictures: int = setting("pictures that are looked at", 320)
    samples: int = setting("places in them at which each layer is looked at", 100_000)
    image_size: int = setting("side of the crops in pixels", 128)
    seed: int = setting("seed of the crops", 0)
    vgg_weights: Path | None = setting("as in train", None)

    def __post_init__(self) -> None:
        check(len(self.widths) == 4, f"--widths takes four numbers, not {len(self.widths)}")
        check(min(self.widths) >= 1, f"--widths must be at least 1, not {min(self.widths)}")
        check(self.image_size >= 64, f"--image-size must be at least 64, not {self.image_size}")
        for name in ("pictures", "samples"):
            check(getattr(self, name) >= 1, f"--{name} must be at least 1")


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """``demo``: something to train on, with nothing to download."""

    folder: Path = setting("where style.png and photos/ are written", positional=True)


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """``export``: a trained network to one ONNX file."""

    checkpoint: Path = setting(
        "NAME.safetensors of a style or depth network, or a pytorch/examples network (.pth, .npz)",
        positional=True,
    )
    output: Path | None = setting("the file to write (default: beside the checkpoint)", None)
    uint8: bool = setting("N×H×W×3 uint8 in and out, instead of N×3×H×W floats in [0,1]", False)
    fp16: bool = setting("half-precision weights and arithmetic, instance norm in float32", False)
    quantize: Literal["none", "int8"] = setting(
        "int8: convolutions in 8 bits, nearly twice as fast on CPUs; needs --photos", "none"
    )
    photos: Path | None = setting("folder of photos by which --quantize finds its ranges", None)
    static: str | None = setting(
        "WIDTHxHEIGHT: pictures of one size, one at a time, which some engines want", None
    )
    opset: int = setting("ONNX operator set, 15 to 23; older runtimes need lower ones", 18)
    vgg_weights: Path | None = setting("as in train, for a depth network that reads VGG-19", None)

    def __post_init__(self) -> None:
        check(
            (self.quantize == "int8") == (self.photos is not None),
            "--quantize int8 and --photos FOLDER go together",
        )
        check(not (self.quantize == "int8" and self.fp16), "--quantize int8 or --fp16: choose one")
        check(15 <= self.opset <= 23, f"--opset must lie in [15, 23], not {self.opset}")
        if self.static is not None:
            check(min(parse_size(self.static)) >= 16, "--static must be 16x16 or more")


@dataclass(frozen=True, kw_only=True)
class PublishConfig:
    """``publish``: a trained style as a pair of files to give away."""

    checkpoint: Path = setting("NAME.safetensors of a trained style", positional=True)
    title: str = setting("the painting's")
    painter: str = setting("who painted it")
    year: str = setting("when")
    licence: str | None = setting("of the network: what those who get it may do", None)
    note: str | None = setting("what else they should know: data, sources", None)
    figures: Path | None = setting("what evaluate --json wrote of it", None)
    output: Path = setting(
        "folder for the two files (default: where infer finds styles by name)",
        CHECKPOINTS / "styles",
    )


@dataclass(frozen=True, kw_only=True)
class InferConfig:
    """``infer``: pictures and videos through ONNX files."""

    inputs: tuple[str, ...] = setting(
        "a style, by the name under which it ships or as NAME.onnx, or several; then pictures,"
        " videos, folders, globs, camera:0 or the address of a stream (rtsp://…, http://…)",
        (),
        positional=True,
    )
    list: bool = setting(
        "instead of stylizing, name the styles that ship; with styles, print their whole cards",
        False,
    )
    output: Path = setting(
        "folder for the results, with one below it for each of several styles; or the file to"
        " write",
        Path("out"),
    )
    strength: float = setting("1 for the stylized picture, 0 for the original", 1.0)
    keep_colour: bool = setting("keep the original's colours", False)
    crossfade: bool = setting("videos change from the first style to the second", False)
    frames: bool = setting("write videos as folders of numbered PNG pictures", False)
    fps: float | None = setting(
        "take each folder for a video, its pictures for frames, so many a second", None
    )
    show: bool = setting("show a camera, stream or video in a window instead of writing it", False)
    max_size: int | None = setting("reduce pictures and videos whose longer side is larger", None)
    tile: float | None = setting(
        "stylize pictures in tiles of so many megapixels, which look like the whole and take 1.3 GB"
        " each (width 32); 0 never does (default: 1 in pictures of more than 9 megapixels)",
        None,
    )
    batch_size: int = setting(
        "frames of a video stylized at once; more can be faster on a GPU where they are small", 1
    )
    codec: str = setting(
        "FFmpeg's name of the video encoder: libx264, libx265, libvpx-vp9 …", "libx264"
    )
    quality: int = setting("the encoder's constant rate factor; smaller is better", 18)
    provider: str = setting("execution provider: auto, cpu, cuda, tensorrt, coreml …", "auto")
    threads: int | None = setting("CPU threads (default: all cores)", None)

    def __post_init__(self) -> None:
        check(
            self.max_size is None or self.max_size >= 16,
            f"--max-size must be at least 16, not {self.max_size}",
        )
        check(
            self.threads is None or self.threads >= 1,
            f"--threads must be at least 1, not {self.threads}",
        )
        check(
            self.fps is None or 0 < self.fps <= 1000, f"--fps must lie in (0, 1000], not {self.fps}"
        )
        check(
            self.tile is None or self.tile == 0 or 0.01 <= self.tile <= 1000,
            f"--tile must be 0 or lie in [0.01, 1000] megapixels, not {self.tile}",
        )
        check(self.batch_size >= 1, f"--batch-size must be at least 1, not {self.batch_size}")
        check(0 <= self.strength <= 1, f"--strength must lie in [0, 1], not {self.strength}")
        check(0 <= self.quality <= 63, f"--quality must lie in [0, 63], not {self.quality}")
        if self.list:
            check(not self.media, f"--list takes styles only: {self._no_style()}")
            return
        check(bool(self.models), f"infer STYLE photo.jpg: {self._no_style()}")
        check(bool(self.media), "what is to be stylized? name pictures or videos")
        check(
            not self.crossfade or len(self.models) == 2,
            f"--crossfade takes two styles, not {len(self.models)}",
        )

    @property
    def models(self) -> tuple[Path, ...]:
        """The files of the styles, with which the inputs begin."""
        files = map(style_file, self.inputs)
        return tuple(itertools.takewhile(lambda file: file.suffix == ".onnx", files))

    @property
    def media(self) -> tuple[str, ...]:
        """What is stylized."""
        return self.inputs[len(self.models) :]

    def _no_style(self) -> str:
        """What to say of the first of ``media``, or where there is nothing."""
        ships = f"the styles that ship are {', '.join(shipped_styles())}"
        if not self.media:
            return f"a style comes first, NAME.onnx or one of those that ship; {ships}"
        name = self.media[0]
        if name.endswith(".safetensors"):
            return f"{name} is to be exported first: export {name} --uint8"
        return f"{name} is no style: {ships}; others are given as NAME.onnx"


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """``evaluate``: style networks side by side, on photos they never saw."""

    networks: tuple[Path, ...] = setting(
        "NAME.safetensors, pytorch/examples networks (.pth, .npz), or folders of pictures named as"
        " the photos (optimize --record)",
        positional=True,
    )
    photos: Path = setting("folder of photos, searched recursively")
    style: tuple[Path, ...] = setting(
        "the paintings (default: where they lay when the networks were trained)", ()
    )
    style_size: tuple[int, ...] = setting("as in train", (512,))
    loss_network: str = setting("what measures style and content, as in train", "vgg19")
    size: int | None = setting(
        "shorter side to which photos are reduced, in pixels (default: the size of the pictures"
        " where folders of them are given, else 256)",
        None,
    )
    depth_network: str | None = setting(
        "what tells near from far and judges depth: NAME.safetensors, NAME.onnx or"
        " transformers:NAME (default: the best that ships)",
        None,
    )
    second_depth: str | None = setting("another that judges depth, too", None)
    device: str = setting("as in train", "auto")
    vgg_weights: Path | None = setting("as in train", None)
    json: Path | None = setting("also write the figures to this file", None)
    sheet: Path | None = setting("also draw photos, their depth and every network's picture", None)

    def __post_init__(self) -> None:
        check(self.size is None or self.size >= 64, f"--size must be at least 64, not {self.size}")


@dataclass(frozen=True, kw_only=True)
class CompareConfig:
    """``compare``: content, painting, depth, weight map and results on one sheet."""

    models: tuple[Path, ...] = setting(
        "networks, NAME.onnx or NAME.safetensors, or folders of pictures named as the photos"
        " (optimize --record)",
        positional=True,
    )
    content: tuple[Path, ...] = setting("photos, a row each")
    style: tuple[Path, ...] = setting("paintings to show beside them", ())
    output: Path = setting("the sheet to write", Path("sheet.png"))
    height: int = setting("height of every picture in pixels", 320)
    depth: bool = setting(
        "show the photos' depth and weight maps where results were made with them", True
    )
    depth_network: str | None = setting("as in evaluate", None)
    vgg_weights: Path | None = setting("as in train", None)
    provider: str = setting("as in infer", "auto")

    def __post_init__(self) -> None:
        check(self.height >= 16, f"--height must be at least 16, not {self.height}")


@dataclass(frozen=True, kw_only=True)
class BenchTrainConfig:
    """``bench train``: our training step beside one written straight from the paper."""

    image_size: int = setting("side of the crops in pixels", 256)
    batch_size: int = setting("photos per step", 4)
    width: int = setting("channels of the network's first layer", 32)
    repeats: int = setting("timed steps of each kind, in turn", 7)
    precision: Literal["auto", "fp32", "bf16", "fp16"] = setting("as in train", "auto")
    device: str = setting("as in train", "auto")
    content: Path | None = setting("photos; with them, reading is timed too", None)
    vgg_weights: Path | None = setting("as in train", None)
    json: Path | None = setting("also write the figures, with the hardware, to this file", None)


@dataclass(frozen=True, kw_only=True)
class BenchInferConfig:
    """``bench infer``: ONNX Runtime beside torch, and a whole process for one picture."""

    checkpoint: Path | None = setting("NAME.safetensors (default: an untrained network)", None)
    width: int = setting("width of the untrained network", 32)
    size: tuple[str, ...] = setting("picture sizes, WIDTHxHEIGHT", ("1280x720",))
    precision: tuple[str, ...] = setting("of the ONNX files: fp32, fp16, int8", ("fp32",))
    photos: Path | None = setting("folder of photos for int8, as in export", None)
    repeats: int = setting("timed pictures of each kind, in turn", 7)
    provider: str = setting("as in infer", "auto")
    json: Path | None = setting("also write the figures, with the hardware, to this file", None)

    def __post_init__(self) -> None:
        for name in self.precision:
            check(
                name in ("fp32", "fp16", "int8"),
                f"--precision {name}: unknown; use fp32, fp16 or int8",
            )
        check(
            ("int8" in self.precision) == (self.photos is not None),
            "--precision int8 and --photos FOLDER go together",
        )


@dataclass(frozen=True, kw_only=True)
class BenchVideoConfig:
    """``bench video``: decoding, stylizing, encoding, all together, and the memory they take."""

    clip: Path = setting("a video", positional=True)
    model: Path | None = setting(
        "NAME.onnx or NAME.safetensors (default: an untrained network)", None
    )
    width: int = setting("width of the untrained network", 32)
    fp16: bool = setting("half precision, as in export", False)
    batch_size: int = setting("as in infer", 1)
    max_size: int | None = setting("as in infer", None)
    provider: str = setting("as in infer", "auto")
    json: Path | None = setting("also write the figures, with the hardware, to this file", None)


@dataclass(frozen=True, kw_only=True)
class BenchDepthConfig:
    """``bench depth``: what depth adds to a style-training step, and what sampling pairs costs."""

    image_size: int = setting("side of the crops in pixels", 256)
    batch_size: int = setting("photos per step", 4)
    repeats: int = setting("timed rounds, in turn", 5)
    precision: Literal["auto", "fp32", "bf16", "fp16"] = setting("as in train", "auto")
    device: str = setting("as in train", "auto")
    vgg_weights: Path | None = setting("as in train", None)
    json: Path | None = setting("also write the figures, with the hardware, to this file", None)


@dataclass(frozen=True, kw_only=True)
class BenchOptimizeConfig:
    """``bench optimize``: our per-image optimization beside a plain loop of the same steps."""

    size: str = setting("HEIGHTxWIDTH of the picture", "512x640")
    steps: int = setting("steps of each, ten in turn", 50)
    history: int = setting("as in optimize, for both", 20)
    content: Path | None = setting("photo (default: a drawn picture)", None)
    style: Path | None = setting("painting (default: another drawn picture)", None)
    network: Path | None = setting(
        "a trained network of that painting: how many steps from its picture reach what the plain"
        " loop reaches from the photo",
        None,
    )
    precision: Literal["auto", "fp32", "bf16"] = setting("as in optimize", "auto")
    device: str = setting("as in train", "auto")
    vgg_weights: Path | None = setting("as in train", None)
    json: Path | None = setting("also write the figures, with the hardware, to this file", None)

    def __post_init__(self) -> None:
        check(min(parse_size(self.size)) >= 32, "--size must be 32x32 or more")
        check(self.steps >= 10 and self.steps % 10 == 0, "--steps takes multiples of 10")


def add_arguments(parser: argparse.ArgumentParser, config: type) -> None:
    """Give ``parser`` an option, or a positional, for every field of the dataclass ``config``.

    Options not given stay out of the namespace, so that what was said can be told from defaults.
    """
    hints = typing.get_type_hints(config)
    for f in dataclasses.fields(config):
        kind, many = _element_type(hints[f.name])
        help = f.metadata["help"].replace("%", "%%") + _default_text(f)
        options: dict[str, Any] = {"help": help, "default": argparse.SUPPRESS}
        if kind is bool:
            options["action"] = argparse.BooleanOptionalAction
        elif typing.get_origin(kind) is Literal:
            options["choices"] = typing.get_args(kind)
        else:
            options |= {"type": kind, "metavar": f.name.upper() if kind is str else _METAVAR[kind]}
        if many:
            options["nargs"] = "+"
        if f.metadata["positional"]:
            if f.default is dataclasses.MISSING:
                del options["default"]
            elif many:
                options["nargs"] = "*"
            parser.add_argument(f.name, **{**options, "metavar": f.name.upper()})
        else:
            parser.add_argument(f"--{f.name.replace('_', '-')}", **options)


_METAVAR = {int: "N", float: "X", Path: "PATH"}


def _element_type(hint: Any) -> tuple[Any, bool]:
    """(type of one value, whether several may be given)."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        hint = next(arg for arg in typing.get_args(hint) if arg is not type(None))
    if typing.get_origin(hint) is tuple:
        return typing.get_args(hint)[0], True
    return hint, False


def _default_text(f: dataclasses.Field[Any]) -> str:
    if f.default is dataclasses.MISSING or f.default is None or isinstance(f.default, bool):
        return ""
    default = f.default
    shown = " ".join(map(str, default)) if isinstance(default, tuple) else str(default)
    return f" (default: {shown})"


def needed(config: type) -> set[str]:
    """Names of the fields without a default."""
    return {f.name for f in dataclasses.fields(config) if f.default is dataclasses.MISSING}


def from_options(config: type[Config], options: Mapping[str, Any]) -> Config:
    """The dataclass from parsed options, over those of a preset where one is named.

    Raises ValueError where one is missing, or where the dataclass's own checks do.
    """
    presets = getattr(config, "PRESETS", {})
    options = {**presets.get(options.get("preset"), {}), **options}
    for f in dataclasses.fields(config):  # type: ignore[arg-type]
        if f.default is dataclasses.MISSING and f.name not in options:
            raise ValueError(f"--{f.name.replace('_', '-')} is needed: {f.metadata['help']}")
    return config(**{k: tuple(v) if isinstance(v, list) else v for k, v in options.items()})


def to_json(config: Any) -> dict[str, Any]:
    """The settings as JSON values; paths become strings."""
    return {f.name: _plain(getattr(config, f.name)) for f in dataclasses.fields(config)}


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def from_json(config: type[Config], values: Mapping[str, Any]) -> Config:
    """The inverse of ``to_json``; settings this version does not know are refused."""
    hints = typing.get_type_hints(config)
    unknown = sorted(values.keys() - hints.keys())
    check(not unknown, f"settings of another version: {', '.join(unknown)}")
    return config(**{name: _typed(hints[name], value) for name, value in values.items()})


def _typed(hint: Any, value: Any) -> Any:
    kind, many = _element_type(hint)
    if value is None:
        return None
    if many:
        return tuple(kind(v) for v in value)
    return kind(value) if kind in (Path, str) else value


def changed(old: Any, new: Any, ignore: Sequence[str]) -> list[str]:
    """Names of the fields in which two configurations of one class differ."""
    names = (f.name for f in dataclasses.fields(old) if f.name not in ignore)
    return [name for name in names if getattr(old, name) != getattr(new, name)]
