"""Timing."""

from typing import Literal

from fststyle.config.settings import (
    FilePath,
    OptionalPath,
    Several,
    above_zero,
    at_least,
    check,
    parse_size,
    setting,
)
from fststyle.config.shared import (
    DeviceSettings,
    PrecisionSettings,
    ProviderSettings,
    ReportSettings,
)


class BenchSettings(ReportSettings):
    """Where figures of time go."""

    json: OptionalPath = setting(
        "also write the figures, with the hardware, to this file", default=None
    )


class BenchTrainConfig(BenchSettings, PrecisionSettings):
    """``bench train``: our training step beside one written straight from the paper."""

    image_size: int = setting("side of the crops in pixels", default=256)
    batch_size: int = setting("photos per step", default=4)
    width: int = setting("channels of the network's first layer", default=32)
    repeats: int = setting("timed steps of each kind, in turn", default=7)
    content: OptionalPath = setting("photos; with them, reading is timed too", default=None)
    race: int = setting(
        "train by the plain step for so many steps, too, and see how long ours takes to that loss"
        " (needs --content and --style)",
        default=0,
    )
    style: OptionalPath = setting("painting of --race", default=None)

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(0, self, "race")
        check(
            self.race == 0 or (self.content is not None and self.style is not None),
            "--race trains a style: add --content PHOTOS and --style PAINTING",
        )


class BenchInferConfig(BenchSettings, ProviderSettings):
    """``bench infer``: ONNX Runtime beside torch, and a whole process for one picture."""

    checkpoint: OptionalPath = setting(
        "NAME.safetensors (default: an untrained network)", default=None
    )
    width: int = setting("width of the untrained network", default=32)
    size: Several[str] = setting("picture sizes, WIDTHxHEIGHT", default=("1280x720",))
    precision: Several[str] = setting("of the ONNX files: fp32, fp16, int8", default=("fp32",))
    photos: OptionalPath = setting("folder of photos by which int8 finds its ranges", default=None)
    repeats: int = setting("timed pictures of each kind, in turn", default=7)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.precision:
            check(
                name in ("fp32", "fp16", "int8"),
                f"--precision {name}: unknown; use fp32, fp16 or int8",
            )
        check(
            ("int8" in self.precision) == (self.photos is not None),
            "--precision int8 and --photos FOLDER go together",
        )


class BenchVideoConfig(BenchSettings, ProviderSettings):
    """``bench video``: decoding, stylizing, encoding, all together, and the memory they take."""

    clip: FilePath = setting("a video", kw_only=False)
    model: OptionalPath = setting(
        "a style that ships, NAME.onnx or NAME.safetensors (default: an untrained network)",
        default=None,
    )
    width: int = setting("width of the untrained network", default=32)
    fp16: bool = setting("half-precision weights and arithmetic", default=False)
    batch_size: int = setting("frames stylized at once", default=1)
    max_size: int | None = setting("reduce videos whose longer side is larger", default=None)


class BenchDepthConfig(BenchSettings, PrecisionSettings):
    """``bench depth``: what depth adds to a style-training step, and what sampling pairs costs."""

    image_size: int = setting("side of the crops in pixels", default=256)
    batch_size: int = setting("photos per step", default=4)
    repeats: int = setting("timed rounds, in turn", default=5)


class BenchOptimizeConfig(BenchSettings, DeviceSettings):
    """``bench optimize``: our per-image optimization beside a plain loop of the same steps."""

    size: str = setting("HEIGHTxWIDTH of the picture", default="512x640")
    steps: int = setting("steps of each, ten in turn", default=50)
    history: int = setting("steps that L-BFGS remembers, in both", default=20)
    content: OptionalPath = setting("photo (default: a drawn picture)", default=None)
    style: OptionalPath = setting("painting (default: another drawn picture)", default=None)
    network: OptionalPath = setting(
        "a trained network of that painting: how many steps from its picture reach what the plain"
        " loop reaches from the photo",
        default=None,
    )
    precision: Literal["auto", "fp32", "bf16"] = setting(
        "arithmetic of the networks; auto takes bf16 where the device is fast at it", default="auto"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check(min(parse_size(self.size)) >= 32, "--size must be 32x32 or more")
        check(self.steps >= 10 and self.steps % 10 == 0, "--steps takes multiples of 10")


class BenchRobustnessConfig(BenchSettings):
    """``bench robustness``: damaged files through commands, and trainings killed and resumed."""

    inputs: int = setting("files that are damaged", default=1000)
    kills: int = setting("trainings that are killed", default=100)
    seed: int = setting("of what is damaged and of when is killed", default=0)
    only: Several[str] = setting(
        "of the inputs, only those for these commands or of these kinds: infer, video …", default=()
    )
    jobs: int | None = setting("commands at a time (default: one for each core)", default=None)
    seconds: float = setting("after which a command hangs", default=120.0)
    megabytes: float = setting("of memory that a command may take", default=2500.0)
    output: OptionalPath = setting("folder that keeps what did not end as it should", default=None)

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(0, self, "inputs", "kills", "seed")
        at_least(1, self, "jobs")
        above_zero(self, "seconds", "megabytes")
