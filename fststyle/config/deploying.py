"""Trained styles on their way to those who use them."""

import itertools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fststyle.config.options import check, parse_size, setting
from fststyle.utils.pretrained import CHECKPOINTS, shipped_styles, style_file


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """``export``: a trained network to one ONNX file."""

    checkpoint: Path = setting(
        "NAME.safetensors of a style or depth network, or a pytorch/examples network (.pth, .npz)",
        positional=True,
    )
    output: str | None = setting(
        "the file to write, NAME.onnx, or a folder (default: beside the checkpoint)", None
    )
    overwrite: bool = setting("replace the file where it exists", False)
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
    overwrite: bool = setting("replace the files where they exist", False)


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
    output: str = setting(
        "folder for the results, with one below it for each of several styles; or the file to"
        " write",
        "out",
    )
    overwrite: bool = setting("replace results that exist already", False)
    skip_existing: bool = setting("leave out results that exist already", False)
    strength: float = setting("1 for the stylized picture, 0 for the original", 1.0)
    keep_colour: bool = setting("keep the original's colours", False)
    grain: int = setting(
        "levels of 255 by which pixels are made to differ, so that plain surfaces get strokes; 0:"
        " none",
        4,
    )
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
    codec: str | None = setting(
        "FFmpeg's name of the video encoder: libx264, libx265, libvpx-vp9 … (default: what fits the"
        " container; libx264 in .mp4)",
        None,
    )
    quality: int = setting(
        "the encoder's constant rate factor, or what comes near it where it has none; smaller is"
        " better",
        16,
    )
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
        check(0 <= self.grain <= 64, f"--grain must lie in [0, 64], not {self.grain}")
        check(0 <= self.quality <= 63, f"--quality must lie in [0, 63], not {self.quality}")
        if self.list:
            check(not self.media, f"--list takes styles only: {self._no_style()}")
            return
        check(bool(self.models), f"infer STYLE photo.jpg: {self._no_style()}")
        check(bool(self.media), "what is to be stylized? name pictures or videos")
        check(
            not (self.overwrite and self.skip_existing),
            "--overwrite or --skip-existing: choose one",
        )
        check(
            not self.crossfade or len(self.models) == 2,
            f"--crossfade takes two styles, not {len(self.models)}",
        )

    @property
    def models(self) -> tuple[Path, ...]:
        """The files of the styles, with which the inputs begin.

        Where nothing else is given, the last one is no style but what is there of that name.
        """
        files = map(style_file, self.inputs)
        found = tuple(itertools.takewhile(lambda file: file.suffix == ".onnx", files))
        last = self.inputs[-1] if self.inputs else ""
        if not self.list and 1 < len(found) == len(self.inputs) and last != str(found[-1]):
            return found[:-1] if os.path.exists(last) else found
        return found

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
