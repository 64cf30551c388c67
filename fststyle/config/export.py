"""Trained networks on their way to those who use them."""

from typing import Literal

from fststyle.config.settings import (
    FilePath,
    OptionalPath,
    OptionalSize,
    OptionalText,
    Settings,
    check,
    parse_size,
    setting,
    within,
)
from fststyle.config.shared import VGGSettings
from fststyle.utils.pretrained import CHECKPOINTS


class ExportConfig(VGGSettings):
    """``export``: a trained network to one ONNX file."""

    checkpoint: FilePath = setting(
        "NAME.safetensors of a style or depth network, the name of one that ships, or a"
        " pytorch/examples network (.pth, .npz)",
        kw_only=False,
    )
    output: OptionalText = setting(
        "the file to write, NAME.onnx, or a folder (default: beside the checkpoint)", default=None
    )
    overwrite: bool = setting("replace the file where it exists", default=False)
    uint8: bool = setting(
        "N×H×W×3 uint8 in and out, instead of N×3×H×W floats in [0,1]", default=False
    )
    fp16: bool = setting(
        "half-precision weights and arithmetic, instance norm in float32", default=False
    )
    half: bool = setting(
        "weights stored as float16, at half the size; arithmetic stays float32", default=False
    )
    quantize: Literal["none", "int8"] = setting(
        "int8: convolutions in 8 bits, nearly twice as fast on CPUs; needs --photos", default="none"
    )
    photos: OptionalPath = setting(
        "folder of photos by which --quantize finds its ranges", default=None
    )
    static: OptionalSize = setting(
        "WIDTHxHEIGHT: pictures of one size, one at a time, which some engines want", default=None
    )
    opset: int = setting("ONNX operator set, 15 to 23; older runtimes need lower ones", default=18)

    def __post_init__(self) -> None:
        super().__post_init__()
        check(
            (self.quantize == "int8") == (self.photos is not None),
            "--quantize int8 and --photos FOLDER go together",
        )
        chosen = (self.quantize == "int8") + self.fp16 + self.half
        check(chosen <= 1, "--quantize int8, --fp16 or --half: choose one")
        within(15, 23, self, "opset")
        if self.static is not None:
            check(min(parse_size(self.static)) >= 16, "--static must be 16x16 or more")


class PublishConfig(Settings):
    """``publish``: a trained style as a file to give away."""

    checkpoint: FilePath = setting("NAME.safetensors of a trained style", kw_only=False)
    title: str = setting("the painting's")
    painter: str = setting("who painted it")
    year: str = setting("when")
    licence: str | None = setting("of the network: what those who get it may do", default=None)
    note: str | None = setting("what else they should know: data, sources", default=None)
    figures: OptionalPath = setting("what evaluate --json wrote of it", default=None)
    output: FilePath = setting(
        "folder for the file (default: where infer finds styles by name)",
        default=CHECKPOINTS / "styles",
    )
    overwrite: bool = setting("replace the file where it exists", default=False)
