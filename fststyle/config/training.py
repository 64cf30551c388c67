"""What is trained or optimized: styles, single pictures, loss networks."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from fststyle.config.options import check, parse_size, setting


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
        "NAME.safetensors, transformers:NAME, or one that ships: vgg_head or hourglass (default:"
        " the better that can be used)",
        None,
    )
    depth_full_size: bool = setting(
        "the depth network sees pictures as they are compared, behind --loss-downscale, and not"
        " reduced to the size it was trained at",
        False,
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
            "depth_network": "hourglass",
            "depth_full_size": True,
            "alpha_min": 1.0,
            "alpha_max": 5.0,
            "style_size": (640,),
            "precision": "fp32",
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
    depth_part: float = setting(
        "part of each batch whose depth loss is computed: its gradient is right on average whatever"
        " the part (a step takes 1.12 times as long as a plain one with half, 1.24 with all)",
        0.5,
    )
    grid_shift: int = setting(
        "pixels, times --loss-downscale, by which pictures are cut at another place every step"
        " before they are compared, so that no weave is learnt that is bound to a grid; 0: whole",
        8,
    )
    stability_weight: float = setting(
        "weight of the stability loss, for steadier videos: a photo moved by some pixels is to give"
        " the same picture, moved; 1000 is good, and takes something from the style",
        0.0,
    )
    init: Path | None = setting("a trained style network to begin with, of any style", None)
    depth_cache: str | None = setting(
        "folder that keeps the photos' depth for later runs, or off (default: the user's cache)",
        None,
    )

    PRESETS: ClassVar = {
        "thesis": {
            **ObjectiveConfig.PRESETS["thesis"],
            "image_size": "512x640",
            "depth_part": 1.0,
            "grid_shift": 0,
        }
    }

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
        check(0 < self.depth_part <= 1, f"--depth-part must lie in (0, 1], not {self.depth_part}")
        check(
            0 <= self.grid_shift <= 8,  # beyond, --image-size would have to be larger
            f"--grid-shift must lie in [0, 8], not {self.grid_shift}",
        )
        check(
            self.stability_weight >= 0 and math.isfinite(self.stability_weight),
            f"--stability-weight must be 0 or more, not {self.stability_weight}",
        )
        check(
            self.stability_weight == 0 or shorter >= 64,
            f"--stability-weight needs an --image-size of at least 64, not {self.image_size}",
        )

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
    output: str = setting("the picture to write; for several photos a folder", "out")
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
    margin: int = setting(
        "pixels of its mirror image around the picture, a multiple of 8: without, VGG's zero"
        " padding draws a dashed frame; 0: none",
        16,
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
    overwrite: bool = setting(
        "replace pictures, and what belongs to them, that are there already", False
    )
    seed: int = setting("seed of noise", 0)
    precision: Literal["auto", "fp32", "bf16"] = setting(
        "arithmetic of the networks; auto takes bf16 where the device is fast at it", "auto"
    )
    device: str = setting("as in train", "auto")
    vgg_weights: Path | None = setting("as in train", None)

    PRESETS: ClassVar = {
        "thesis": {
            **ObjectiveConfig.PRESETS["thesis"],
            "size": (640,),
            "tv_weight": 0.0,
            "margin": 0,
        }
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
        check(
            self.margin >= 0 and self.margin % 8 == 0,
            f"--margin must be a multiple of 8, not {self.margin}",
        )
        check(self.history >= 1, f"--history must be at least 1, not {self.history}")
        check(self.bits in (8, 16), f"--bits must be 8 or 16, not {self.bits}")
        check(self.picture_interval >= 1, "--picture-interval must be at least 1")
        check(self.seed >= 0, f"--seed must not be negative, found {self.seed}")


@dataclass(frozen=True, kw_only=True)
class LossTrainConfig:
    """``loss train``: a small loss network out of VGG-19."""

    data: tuple[Path, ...] = setting(
        "folders of pictures, each seen equally often: photos, paintings, stylized photos"
    )
    val: Path = setting("folder of photos on which the two are compared")
    output: Path = setting("the file to write, NAME.safetensors", Path("small.safetensors"))
    overwrite: bool = setting("replace the file where it exists", False)
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
