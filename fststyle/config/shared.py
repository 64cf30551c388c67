"""Settings that several commands have in common, each in one place."""

from typing import Literal

from fststyle.config.settings import (
    OptionalPath,
    OptionalText,
    Settings,
    Several,
    Text,
    at_least,
    setting,
)

Precision = Literal["auto", "fp32", "bf16", "fp16"]
PRECISION = "arithmetic of the networks; auto takes bf16 or fp16 where the device is fast at it"


class VGGSettings(Settings):
    """The weights of VGG-19, without which torch computes little here."""

    vgg_weights: OptionalPath = setting(
        "VGG-19 weights (default: $FSTSTYLE_ASSETS, then torchvision's)", default=None
    )


class DeviceSettings(VGGSettings):
    """What torch computes on."""

    device: str = setting("auto, cpu, cuda, cuda:1, mps …", default="auto")


class PrecisionSettings(DeviceSettings):
    """The same with its arithmetic."""

    precision: Precision = setting(PRECISION, default="auto")


class LossNetworkSettings(Settings):
    """What looks at pictures and paintings, and at which size at the latter."""

    style_size: Several[int] = setting(
        "longer side of the painting in pixels; several sizes are averaged", default=(512,)
    )
    loss_network: Text = setting(
        "what looks at pictures: vgg19; small, which ships, takes a fraction of the time and is not"
        " as good; or a file of loss train",
        default="vgg19",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(32, self, "style_size")


class DepthNetworkSettings(Settings):
    """What tells depth where pictures are measured or shown."""

    depth_network: OptionalText = setting(
        "what tells near from far, and measures depth: NAME.safetensors, NAME.onnx or"
        " transformers:NAME (default: the best that ships)",
        default=None,
    )


class ProviderSettings(Settings):
    """What ONNX Runtime computes on."""

    provider: str = setting(
        "execution provider: auto, cpu, cuda, tensorrt, coreml, webgpu …", default="auto"
    )


class ReportSettings(Settings):
    """Where figures go beside the console."""

    json: OptionalPath = setting("also write the figures to this file", default=None)
    overwrite: bool = setting("replace files that are there already", default=False)
