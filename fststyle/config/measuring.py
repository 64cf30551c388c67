"""Comparing, measuring and timing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fststyle.config.options import check, parse_size, setting


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """``evaluate``: style networks side by side, on photos and videos they never saw."""

    networks: tuple[Path, ...] = setting(
        "NAME.safetensors, pytorch/examples networks (.pth, .npz), or folders of pictures named as"
        " the photos (optimize --record)",
        positional=True,
    )
    photos: Path | None = setting("folder of photos, searched recursively", None)
    videos: tuple[Path, ...] = setting(
        "videos, on which it is measured how steady networks' strokes are", ()
    )
    frames: int = setting("frames of each video, from its beginning", 25)
    style: tuple[Path, ...] = setting(
        "the paintings (default: where they lay when the networks were trained)", ()
    )
    style_size: tuple[int, ...] = setting("as in train", (512,))
    loss_network: str = setting("what measures style and content, as in train", "vgg19")
    size: int | None = setting(
        "shorter side to which photos and videos are reduced (default: the size of the pictures"
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
    overwrite: bool = setting("replace --json and --sheet where they are there already", False)

    def __post_init__(self) -> None:
        check(self.size is None or self.size >= 64, f"--size must be at least 64, not {self.size}")
        check(
            bool(self.photos or self.videos), "--photos FOLDER or --videos FILE is needed, or both"
        )
        for name in ("sheet", "depth_network", "second_depth"):
            flag = f"--{name.replace('_', '-')}"
            check(
                self.photos is not None or getattr(self, name) is None,
                f"{flag} is about photos: add --photos FOLDER, or leave it out",
            )
        check(self.frames >= 2, f"--frames must be at least 2, not {self.frames}")


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
    overwrite: bool = setting("replace the sheet where it is there already", False)
    height: int = setting("height of every picture in pixels", 320)
    stylize_height: int | None = setting(
        "height to which photos are reduced to be stylized (default: --height); strokes look finer"
        " in pictures that are reduced afterwards",
        None,
    )
    quality: int = setting("of a JPEG or WebP sheet, at most 100", 95)
    depth: bool = setting(
        "show the photos' depth and weight maps where results were made with them", True
    )
    depth_network: str | None = setting("as in evaluate", None)
    vgg_weights: Path | None = setting("as in train", None)
    provider: str = setting("as in infer", "auto")

    def __post_init__(self) -> None:
        for name in ("height", "stylize_height"):
            value = getattr(self, name)
            flag = f"--{name.replace('_', '-')}"
            check(value is None or value >= 16, f"{flag} must be at least 16, not {value}")
        check(1 <= self.quality <= 100, f"--quality must lie in [1, 100], not {self.quality}")


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
    overwrite: bool = setting("replace --json where it is there already", False)


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
    overwrite: bool = setting("replace --json where it is there already", False)

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
    overwrite: bool = setting("replace --json where it is there already", False)


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
    overwrite: bool = setting("replace --json where it is there already", False)


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
    overwrite: bool = setting("replace --json where it is there already", False)

    def __post_init__(self) -> None:
        check(min(parse_size(self.size)) >= 32, "--size must be 32x32 or more")
        check(self.steps >= 10 and self.steps % 10 == 0, "--steps takes multiples of 10")


@dataclass(frozen=True, kw_only=True)
class BenchRobustnessConfig:
    """``bench robustness``: damaged files through commands, and trainings killed and resumed."""

    inputs: int = setting("files that are damaged", 1000)
    kills: int = setting("trainings that are killed", 100)
    seed: int = setting("of what is damaged and of when is killed", 0)
    only: tuple[str, ...] = setting(
        "of the inputs, only those for these commands or of these kinds: infer, video …", ()
    )
    jobs: int | None = setting("commands at a time (default: one for each core)", None)
    seconds: float = setting("after which a command hangs", 120.0)
    megabytes: float = setting("of memory that a command may take", 2500.0)
    output: Path | None = setting("folder that keeps what did not end as it should", None)
    json: Path | None = setting("also write the figures, with the hardware, to this file", None)
    overwrite: bool = setting("replace --json where it is there already", False)

    def __post_init__(self) -> None:
        for name in ("inputs", "kills", "seed"):
            check(getattr(self, name) >= 0, f"--{name} must not be negative")
        check(self.jobs is None or self.jobs >= 1, f"--jobs must be at least 1, not {self.jobs}")
        check(self.seconds > 0 and self.megabytes > 0, "--seconds and --megabytes are above 0")
