"""Measuring and comparing."""

from pathlib import Path

from fststyle.config.infer import MOST_STEADY, MapControls
from fststyle.config.settings import (
    FilePath,
    OptionalPath,
    OptionalText,
    Paths,
    at_least,
    check,
    flag,
    setting,
    within,
)
from fststyle.config.shared import (
    DepthNetworkSettings,
    DeviceSettings,
    LossNetworkSettings,
    ProviderSettings,
    ReportSettings,
    VGGSettings,
)


class EvaluateConfig(
    MapControls, ReportSettings, LossNetworkSettings, DepthNetworkSettings, DeviceSettings
):
    """``evaluate``: style networks side by side, on photos and videos they never saw."""

    networks: Paths = setting(
        "styles that ship, NAME.safetensors, NAME.onnx, pytorch/examples networks (.pth, .npz), or"
        " folders of pictures named as the photos, optimize's or another program's; for --videos"
        " films, or folders of films or frames, named as the clips",
        kw_only=False,
    )
    photos: OptionalPath = setting("folder of photos, searched recursively", default=None)
    videos: Paths = setting(
        "videos, or folders of frames, on which it is measured how steady networks' strokes are",
        default=(),
    )
    frames: int = setting("frames of each video, from its beginning", default=25)
    steady: float = setting(
        "measure networks' videos averaged along the motion, as infer --steady does", default=0.0
    )
    style: Paths = setting(
        "the paintings (default: where they lay when the networks were trained)", default=()
    )
    size: int | None = setting(
        "shorter side to which photos and videos are reduced (default: the size of the pictures"
        " where folders of them are given, else 256)",
        default=None,
    )
    second_depth: OptionalText = setting("another that measures depth, too", default=None)
    maps: bool = setting(
        "also measure networks that take a weight map with near and far changed round, and with the"
        " map 0 and 1 all over",
        default=True,
    )
    sheet: OptionalPath = setting(
        "also draw photos, their depth and every network's picture", default=None
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(64, self, "size")
        at_least(2, self, "frames")
        within(0, MOST_STEADY, self, "steady")
        check(
            bool(self.photos or self.videos), "--photos FOLDER or --videos FILE is needed, or both"
        )
        check(
            bool(self.videos) or not self.steady,
            "--steady is about videos: add --videos FILE, or leave it out",
        )
        for name in ("sheet", "depth_network", "second_depth"):
            check(
                self.photos is not None or getattr(self, name) is None,
                f"{flag(name)} is about photos: add --photos FOLDER, or leave it out",
            )


class CompareConfig(MapControls, DepthNetworkSettings, ProviderSettings, VGGSettings):
    """``compare``: content, painting, depth, weight map and results on one sheet."""

    models: Paths = setting(
        "networks, NAME.onnx or NAME.safetensors, or folders of pictures named as the photos"
        " (optimize --record)",
        kw_only=False,
    )
    content: Paths = setting("photos, a row each")
    style: Paths = setting("paintings to show beside them", default=())
    output: FilePath = setting("the sheet to write", default=Path("sheet.png"))
    overwrite: bool = setting("replace the sheet where it is there already", default=False)
    height: int = setting("height of every picture in pixels", default=320)
    stylize_height: int | None = setting(
        "height to which photos are reduced to be stylized (default: --height); strokes look finer"
        " in pictures that are reduced afterwards",
        default=None,
    )
    quality: int = setting("of a JPEG or WebP sheet, at most 100", default=95)
    depth: bool = setting(
        "show the photos' depth and weight maps where results were made with them", default=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        within(16, 16384, self, "height", "stylize_height")
        within(1, 100, self, "quality")


class JudgeConfig(ReportSettings):
    """``judge``: which method's pictures people find better, without knowing whose they are."""

    folders: Paths = setting(
        "a folder of pictures for each method, or one that holds these; pictures of one place below"
        " them, with any suffix, are of one photo",
        default=(),
        kw_only=False,
    )
    photos: OptionalPath = setting(
        "also show the photos: their folder, in which they are named as the pictures", default=None
    )
    style: Paths = setting(
        "also show the painting; of several that by which a folder of the picture's place is named",
        default=(),
    )
    output: FilePath = setting("the page to write", default=Path("judge.html"))
    pairs: int | None = setting(
        "how many pairs, of all methods and photos alike (default: all)", default=None
    )
    seed: int = setting("another one gives another order, other sides and other pairs", default=0)
    size: int = setting("longer side to which pictures are reduced", default=800)
    quality: int = setting("of the page's JPEG pictures, at most 100", default=85)
    result: Paths = setting(
        "the files of votes that judges' pages saved: how good every method is by these", default=()
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, self, "pairs")
        at_least(64, self, "size")
        within(1, 100, self, "quality")
        check(
            bool(self.folders) != bool(self.result),
            "folders of pictures are needed, to write a page, or --result VOTES.json, and not both",
        )
        check(not self.json or bool(self.result), "--json is about --result VOTES.json")
