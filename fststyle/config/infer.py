"""Stylizing."""

import dataclasses
import itertools
import os
import re
from pathlib import Path
from typing import Any, NamedTuple

from fststyle.config.settings import (
    OptionalText,
    Settings,
    Text,
    Texts,
    at_least,
    check,
    setting,
    within,
)
from fststyle.config.shared import ProviderSettings
from fststyle.utils.pretrained import describe_no_style, shipped_styles, style_file

STEADY, MOST_STEADY = 0.6, 0.95
"""What is kept of a video's picture before, by default and at most."""


class NearFarControls(Settings):
    """How much of a picture stays where."""

    near: float = setting(
        "how much of the picture stays where it is near, 0 (all style) to 1", default=1.0
    )
    far: float = setting("how much stays where it is far", default=0.0)
    focus: float | None = setting(
        "what counts as near is what lies at this depth, 0 (nearest) to 1 (farthest), and ever less"
        " before and behind it (default: 0)",
        default=None,
    )
    mask: OptionalText = setting(
        "picture, or a folder of pictures named as the inputs (for films also a film), white where"
        " the picture is to stay as --near says, however far it is: faces, people",
        default=None,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        within(0, 1, self, "near", "far", "focus")
        check(self.mask != "", "--mask names nothing")

    @property
    def asks_for_map(self) -> bool:
        """Whether anything is set that a map is needed for."""
        controls = dataclasses.fields(NearFarControls)
        return any(getattr(self, field.name) != field.default for field in controls)


class MapControls(NearFarControls):
    """Where how much of a picture stays, for styles that take a weight map."""

    weight_map: OptionalText = setting(
        "what tells near from far: depth, none, or a picture or film of shades, white = near, or a"
        " folder of those, named as the inputs (default: depth where the style takes a map)",
        default=None,
        aliases=["--map"],
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.weight_map != "", "--weight-map names nothing")

    @property
    def asks_for_map(self) -> bool:
        """Whether anything is set that a style without a map cannot do."""
        return super().asks_for_map or self.weight_map not in (None, "none")


def map_settings(controls: NearFarControls, kind: type[NearFarControls]) -> dict[str, Any]:
    """Of ``controls``, those that ``kind`` has, by name."""
    return {field.name: getattr(controls, field.name) for field in dataclasses.fields(kind)}


class Grain(NamedTuple):
    """What is added to pixels so that plain surfaces get strokes, and not the same ones all over.

    Attributes:
        levels: of 255, by which pixels differ from their neighbours.
        clouds: part in [0,1] of the slow variation that goes with so many levels.
        colour: whether it is one of colour, too.
        by_map: whether there is the less of it the more of a picture a weight map keeps.
    """

    levels: int
    clouds: float = 1.0
    colour: bool = True
    by_map: bool = True


class StyleControls(MapControls):
    """What can be set of every picture: by ``infer`` and by ``Stylizer``."""

    strength: float = setting("1 for the stylized picture, 0 for the original", default=1.0)
    keep_color: bool = setting(
        "keep the original's colours", default=False, aliases=["--keep-colour"]
    )
    grain: int = setting(
        "levels of 255 by which pixels are made to differ, and the measure by which light and"
        " colour vary slowly, so that plain surfaces get strokes; 0: none",
        default=4,
        aliases=["--noise"],
    )
    steady: float | None = setting(
        "of videos, how far strokes stay on what they lie on: the part of each picture that is kept"
        " from the one before, moved along with what is seen; 0 stylizes every frame by itself"
        f" (default: {STEADY}; live as long as that keeps the rate; 0 where a camera or a stream is"
        " recorded)",
        default=None,
    )
    max_size: int | None = setting(
        "reduce pictures and videos whose longer side is larger", default=None
    )
    tile: float | None = setting(
        "stylize pictures in tiles of so many megapixels, which look like the whole and take 1.3 GB"
        " each (width 32); 0 never does (default: 1 in pictures of more than 9 megapixels)",
        default=None,
    )
    batch_size: int = setting(
        "frames of a video stylized at once; more can be faster on a GPU where they are small",
        default=1,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(16, self, "max_size")
        at_least(1, self, "batch_size")
        check(
            self.tile is None or self.tile == 0 or 0.01 <= self.tile <= 1000,
            f"--tile must be 0 or lie in [0.01, 1000] megapixels, not {self.tile}",
        )
        within(0, 1, self, "strength")
        within(0, 64, self, "grain")
        check(
            self.steady is None or 0 <= self.steady <= MOST_STEADY,
            f"--steady must lie in [0, {MOST_STEADY}], not {self.steady}",
        )

    @property
    def noise(self) -> Grain:
        """What is added to pixels; nothing where the original itself is to come out."""
        return Grain(self.grain if self.strength else 0, self.strength, colour=not self.keep_color)

    def steadiness(self, *, recorded: bool = False) -> float:
        """``steady`` of a video; by default of one that is ``recorded`` as it comes, where frames
        that take too long are lost, and where the original itself is to come out, none."""
        if self.strength == 0:
            return 0.0
        if self.steady is None:
            return 0.0 if recorded else STEADY
        return self.steady


class SessionSettings(ProviderSettings):
    """What ONNX Runtime computes on, and on how much of it."""

    threads: int | None = setting("CPU threads (default: all cores)", default=None)

    def __post_init__(self) -> None:
        super().__post_init__()
        within(1, 1024, self, "threads")


class InferConfig(StyleControls, SessionSettings):
    """``infer``: pictures and videos through ONNX files."""

    inputs: Texts = setting(
        "a style, by the name under which it ships or as NAME.onnx, or several; then pictures,"
        " videos, folders, globs, camera:0, the address of a stream (rtsp://…, http://…), or - for"
        " a video on standard input (rgb:640x360@25: for bare bytes of RGB, 25 pictures a second)",
        default=(),
        kw_only=False,
    )
    list: bool = setting(
        "instead of stylizing, name the styles that ship; with styles, print their whole cards",
        default=False,
    )
    output: Text = setting(
        "folder for the results, with one below it for each of several styles; the file to write;"
        " of one video, camera or stream also virtualcam, or - for standard output (YUV4MPEG;"
        " others by name: rgb:-, mkv:-, webm:-, ts:-)",
        default="out",
    )
    overwrite: bool = setting("replace results that exist already", default=False)
    skip_existing: bool = setting("leave out results that exist already", default=False)
    shard: str | None = setting(
        "N/M, as 3/16: of the inputs only the N-th of M parts, N from 1 to M, for many machines at"
        " work on one folder (Slurm: --array=1-16 and --shard $SLURM_ARRAY_TASK_ID/16)",
        default=None,
    )
    far_style: OptionalText = setting(
        "another style, for what is far: each style is mixed with it by the map, --near and --far"
        " say how much of the first there is",
        default=None,
    )
    crossfade: bool = setting("videos change from the first style to the second", default=False)
    frames: bool = setting("write videos as folders of numbered PNG pictures", default=False)
    fps: float | None = setting(
        "take each folder for a video, its pictures for frames, so many a second", default=None
    )
    show: bool = setting(
        "show a camera, stream or video in a window instead of writing it", default=False
    )
    codec: str | None = setting(
        "FFmpeg's name of the video encoder: libx264, libx265, libvpx-vp9 … (default: what fits the"
        " container; libx264 in .mp4)",
        default=None,
    )
    quality: int = setting(
        "the encoder's constant rate factor, or what comes near it where it has none; smaller is"
        " better",
        default=16,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check(
            self.fps is None or 0 < self.fps <= 1000, f"--fps must lie in (0, 1000], not {self.fps}"
        )
        within(0, 63, self, "quality")
        number, count = self.part
        check(
            1 <= number <= count,
            f"--shard {self.shard}: give N/M, N from 1 to M, such as 3/16",
        )
        if self.list:
            check(not self.media, f"--list takes styles only: {self._no_style()}")
            return
        check(bool(self.models), self._no_style())
        check(bool(self.media), "what is to be stylized? name pictures or videos")
        check(
            not (self.overwrite and self.skip_existing),
            "--overwrite or --skip-existing: choose one",
        )
        check(
            self.far_style is None or style_file(self.far_style).suffix == ".onnx",
            f"--far-style: {describe_no_style(self.far_style or '')}",
        )
        if self.weight_map == "none" and self.mask is None:
            for option, given in (
                ("--near", self.near != InferConfig.near),
                ("--focus", self.focus is not None),
                ("--far-style", self.far_style is not None),
            ):
                check(
                    not given,
                    f"{option} needs a map or a mask: with --map none alone all is far, as --far"
                    " says",
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

    @property
    def part(self) -> tuple[int, int]:
        """(N, M): the N-th of M parts of the inputs is done. (0, 0) for what cannot be read."""
        if self.shard is None:
            return 1, 1
        numbers = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", self.shard)
        return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)

    def _no_style(self) -> str:
        """What to say of the first of ``media``, or where there is nothing."""
        if self.media:
            later = next((name for name in self.media if name in shipped_styles()), None)
            first = describe_no_style(self.media[0])
            return f"the style comes first: infer {later} {self.media[0]}" if later else first
        return (
            "infer STYLE photo.jpg: a style comes first, NAME.onnx or one of those that ship; the"
            f" styles that ship are {', '.join(shipped_styles())}"
        )
