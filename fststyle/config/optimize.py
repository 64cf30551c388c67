"""Single pictures, optimized."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from fststyle.config.infer import NearFarControls
from fststyle.config.settings import (
    OptionalPath,
    Several,
    Text,
    Texts,
    above_zero,
    at_least,
    check,
    setting,
)
from fststyle.config.shared import DeviceSettings
from fststyle.config.style import ObjectiveConfig


class OptimizeConfig(NearFarControls, ObjectiveConfig, DeviceSettings):
    """``optimize``: one picture at a time, its pixels in a network's place."""

    inputs: Texts = setting("photos, folders or globs", kw_only=False)
    output: Text = setting("the picture to write; for several photos a folder", default="out")
    size: Several[int] = setting(
        "longer side of the picture in pixels, never enlarged; several, from coarse to fine: each"
        " begins with what the one before found",
        default=(640,),
    )
    steps: Several[int] = setting(
        "steps; for several sizes one number or one for each", default=(200,)
    )
    optimizer: Literal["lbfgs", "adam"] = setting("method of descent", default="lbfgs")
    content_weight: float = setting("weight of the content loss", default=1.0)
    lr: float | None = setting(
        "length of the steps (default: 1 for lbfgs, 0.02 for adam)", default=None
    )
    history: int = setting("steps that L-BFGS remembers, at 24 bytes per pixel each", default=20)
    tv_weight: float = setting(
        "weight of the total variation, which takes out noise of single pixels", default=4.0
    )
    init: Text = setting(
        "what to begin with: content, noise, a style that ships, a trained network"
        " (NAME.safetensors, NAME.onnx) or a picture",
        default="content",
    )
    keep_color: bool = setting(
        "the photo's colours; the painting gives light and shade",
        default=False,
        aliases=["--keep-colour"],
    )
    bits: int = setting("bits per channel of PNG and TIFF, 8 or 16", default=8)
    record: bool = setting(
        "also write NAME.png.json beside each picture: settings, the losses of every step, seconds;"
        " evaluate and compare read it",
        default=False,
    )
    progress: OptionalPath = setting(
        "folder for pictures in between and TensorBoard's files (default: none)", default=None
    )
    picture_interval: int = setting("steps between pictures in --progress", default=50)
    skip_existing: bool = setting("leave out photos whose picture is there already", default=False)
    overwrite: bool = setting(
        "replace pictures, and what belongs to them, that are there already", default=False
    )
    seed: int = setting("seed of noise", default=0)
    precision: Literal["auto", "fp32", "bf16"] = setting(
        "arithmetic of the networks; auto takes bf16 where the device is fast at it", default="auto"
    )

    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "thesis": {
            **ObjectiveConfig.PRESETS["thesis"],
            "size": (640,),
            "tv_weight": 0.0,
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
            self.weights_content or not self.asks_for_map,
            f"--method {self.method} weights no content, so --near, --far, --focus and --mask have"
            " no use: leave them out, or choose weighted or combined",
        )
        above_zero(self, "lr")
        at_least(1, self, "history", "picture_interval")
        at_least(0, self, "seed")
        check(self.bits in (8, 16), f"--bits must be 8 or 16, not {self.bits}")
