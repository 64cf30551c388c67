"""Styles: what pictures are compared with, whether a network or single pictures are to follow; and
how a network is trained."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from fststyle.config.runs import RunConfig
from fststyle.config.settings import (
    FilePath,
    OptionalPath,
    OptionalText,
    Paths,
    Several,
    Size,
    Text,
    above_zero,
    at_least,
    check,
    parse_size,
    setting,
    within,
)
from fststyle.config.shared import LossNetworkSettings, PrecisionSettings

METHODS = ("plain", "weighted", "depth", "combined")
"""The thesis's four: neither, content weighted by depth, depth loss, both."""

_BLOCK_FACTORS = {"1": 0.3, "2": 0.5, "3": 2.0, "4": 2.0, "5": 2.0}
"""Of relative style errors, by VGG-19's block: all equal, the shallow layers end far below those of
good networks and the deep ones, which hold the strokes, above."""
STABILITY, STEADY_SIDE = 100.0, 64
"""The stability loss's weight beside relative errors, and the smallest crops it is computed of."""
CONTENT_ERROR = 0.65
"""Relative content error at relu4_3 of good networks: 0.55 to 0.71 for three paintings."""


def layer_factor(layer: str) -> float:
    """What counts of the relative style error in a layer of VGG-19 unless something else is said,
    "relu3_3" or another of ``networks.vgg.LAYERS``."""
    return _BLOCK_FACTORS[layer[4]]


class ObjectiveConfig(LossNetworkSettings):
    """What stylized pictures are compared with, and how much of it counts."""

    style: Paths = setting("painting, or several that are blended into one style")
    style_blend: Several[float] = setting(
        "parts that the paintings have in the style, a number each (default: equal)", default=()
    )
    preset: Literal["thesis"] | None = setting(
        "defaults of another setting; thesis: that of the thesis this implements", default=None
    )
    method: Literal["plain", "weighted", "depth", "combined"] = setting(
        "plain; weighted: content counts more where it is near; depth: a loss keeps the scene's"
        " depth; combined: both",
        default="combined",
    )
    content_weight: float | None = setting(
        "fixed weight of the content loss (default: 1; in training what --content-error asks for)",
        default=None,
    )
    style_weight: float = setting("weight of the style loss", default=4.0)
    depth_weight: float = setting(
        "weight of the depth loss (methods depth and combined)", default=8.0
    )
    depth_shift_free: bool = setting(
        "leave out of the depth loss what is the same all over a picture: relative depth has no"
        " zero",
        default=True,
    )
    tv_weight: float = setting("weight of the total variation", default=0.0)
    alpha_min: float = setting(
        "factor on the content loss where a picture is farthest (weighted and combined)",
        default=0.2,
    )
    alpha_max: float = setting("factor where it is nearest", default=5.0)
    weight_map: Text = setting(
        "what tells near from far: depth; horizontal or vertical, an even gradient to the right or"
        " to the bottom; or a folder of greyscale maps named as the photos, white = near",
        default="depth",
    )
    depth_network: OptionalText = setting(
        "NAME.safetensors, transformers:NAME, or one that ships: vgg_head, fast or"
        " hourglass (default: the best that can be used)",
        default=None,
    )
    depth_full_size: bool = setting(
        "the depth network sees pictures as they are compared, behind --loss-downscale, and not"
        " reduced to the size it was trained at",
        default=False,
    )
    style_balance: Literal["sum", "relative"] = setting(
        "sum: the papers' losses; relative: errors in parts of what the photo and the painting have"
        " themselves, so that every layer counts and weights mean the same for every painting",
        default="sum",
    )
    style_layer_weights: Several[float] = setting(
        "factors of the style layers, a number each (default: 1; with --style-balance relative 0.3,"
        " 0.5, 2 and 2 in VGG-19's first four blocks)",
        default=(),
    )
    content_layers: Several[str] = setting(
        "VGG-19 layers of the content loss", default=("relu2_2",)
    )
    style_layers: Several[str] = setting(
        "VGG-19 layers of the style loss", default=("relu1_2", "relu2_2", "relu3_3", "relu4_3")
    )
    calibrate: bool = setting(
        "scale VGG's layers to a mean activation of 1, so that weights mean the same everywhere",
        default=True,
    )
    loss_padding: Literal["mirror", "zeros"] = setting(
        "what the loss network sees beyond a picture's border; zeros, with which it was trained,"
        " falsify the style of small pictures and draw a dashed frame into optimized ones",
        default="mirror",
    )
    loss_downscale: int = setting(
        "average pooling by this factor before the loss networks, to save time and memory",
        default=1,
    )

    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "thesis": {
            "loss_downscale": 2,
            "calibrate": False,
            "style_balance": "sum",
            "loss_padding": "zeros",
            "content_layers": ("relu2_2",),
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
        super().__post_init__()
        check(len(self.style) > 0, "--style needs at least one painting")
        check(
            len(self.style_blend) in (0, len(self.style)),
            f"--style-blend takes a number for each painting: {len(self.style)}, not"
            f" {len(self.style_blend)}",
        )
        at_least(0, self, "style_blend")
        check(
            not self.style_blend or sum(self.style_blend) > 0,
            f"--style-blend takes numbers that are not all 0, found {self.style_blend}",
        )
        check(
            len(self.style_layer_weights) in (0, len(self.style_layers)),
            f"--style-layer-weights takes a number for each style layer: {len(self.style_layers)},"
            f" not {len(self.style_layer_weights)}",
        )
        at_least(0, self, "style_layer_weights")
        at_least(0, self, "content_weight", "style_weight", "depth_weight", "tv_weight")
        above_zero(self, "alpha_min", "alpha_max")
        check(len(self.content_layers) > 0, "--content-layers needs at least one layer")
        check(len(self.style_layers) > 0, "--style-layers needs at least one layer")
        at_least(1, self, "loss_downscale")
        check(
            self.weights_content or self.weight_map == "depth",
            f"--method {self.method} weights no content, so --weight-map has no use: leave it out,"
            " or choose weighted or combined",
        )

    @property
    def layer_factors(self) -> tuple[float, ...]:
        """``style_layer_weights``, or what these are by default."""
        if self.style_layer_weights:
            return self.style_layer_weights
        relative = self.style_balance == "relative"
        return tuple(layer_factor(layer) if relative else 1.0 for layer in self.style_layers)

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


class PreviewConfig(LossNetworkSettings, PrecisionSettings):
    """``preview``: a painting with several settings, before a network is trained."""

    style: FilePath = setting("painting")
    content: FilePath = setting("folder of photos, of which some are shown")
    minutes: float = setting("time for the whole sheet", default=2.0)
    content_error: Several[float] = setting(
        "relative content errors, a column each: how much of the photo may be lost",
        default=(0.45, 0.65, 0.85),
    )
    style_size: Several[int] = setting(
        "longer sides of the painting in pixels, a row each: larger ones make larger strokes",
        default=(400, 800),
    )
    loss_network: Text = setting(
        "what looks at pictures: small, which ships and is fast; vgg19, which needs more time; or"
        " a file of loss train",
        default="small",
    )
    photos: int = setting("photos to show", default=2)
    image_size: int = setting("side of the photos in pixels", default=256)
    output: FilePath = setting("the sheet to write", default=Path("preview.png"))
    overwrite: bool = setting("replace the sheet where it is there already", default=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        above_zero(self, "minutes", "content_error")
        at_least(1, self, "photos")
        at_least(64, self, "image_size")
        check(len(self.content_error) > 0, "--content-error needs at least one number")
        check(len(self.style_size) > 0, "--style-size needs at least one number")


class StyleRunConfig(RunConfig):
    """What is trained is a style network, out of a folder of photos."""

    content: FilePath = setting("folder of photos, searched recursively")
    val: OptionalPath = setting("photos to validate on (default: some of --content)", default=None)
    image_size: Size = setting(
        "side of the training crops in pixels, or HEIGHTxWIDTH; a large crop teaches more than two"
        " small ones of as many pixels",
        default="384",
    )
    batch_size: int = setting("photos per step, over all processes", default=2)
    width: int = setting("channels of the network's first layer", default=32)
    grain: int = setting(
        "levels of 255 by which photos' pixels are made to differ before the network sees them, as"
        " infer does: something for strokes to hold on to in plain surfaces, which moves with them",
        default=4,
    )
    init: OptionalText = setting(
        "what to begin with: base, a network of many paintings that ships in two widths; none; or a"
        " trained style network of any painting",
        default="base",
    )
    stability_weight: float | None = setting(
        "weight of the stability loss: what the camera sees when it has moved is to give the same"
        " picture, moved, so that videos flicker less and plain surfaces get no weave; 0: none"
        f" (default: {STABILITY:g}, and 0 beside the papers' losses and in crops below"
        f" {STEADY_SIDE} px)",
        default=None,
    )
    depth_cache: OptionalText = setting(
        "folder that keeps the photos' depth for later runs, or off (default: the user's cache)",
        default=None,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        smallest = min(self.crop_size)
        check(smallest >= 32, f"--image-size must be at least 32, not {self.image_size}")
        at_least(1, self, "width")
        within(0, 64, self, "grain")
        at_least(0, self, "stability_weight")
        check(
            not self.stability_weight or smallest >= STEADY_SIDE,
            f"--stability-weight needs an --image-size of at least {STEADY_SIDE}, not"
            f" {self.image_size}",
        )

    @property
    def steady_weight(self) -> float:
        """The stability loss's weight."""
        if self.stability_weight is not None:
            return self.stability_weight
        return STABILITY if min(self.crop_size) >= STEADY_SIDE else 0.0

    @property
    def val_folder(self) -> Path:
        """The folder of the photos to validate on."""
        return self.val or self.content

    @property
    def crop_size(self) -> tuple[int, int]:
        """(height, width) of the training crops."""
        return parse_size(self.image_size)


class StyleTrainConfig(ObjectiveConfig, StyleRunConfig):
    """``train``: one style network from a painting and a folder of photos."""

    style_balance: Literal["sum", "relative"] = setting(
        "relative: errors in parts of what the photo and the painting have themselves, so that"
        " every layer counts and weights mean the same for every painting; sum: the papers' losses",
        default="relative",
    )
    style_size: Several[int] = setting(
        "longer side of the painting in pixels, which decides how large strokes are; several sizes"
        " are averaged",
        default=(640,),
    )
    style_weight: float = setting("weight of the style loss", default=1.0)
    depth_weight: float = setting(
        "weight of the depth loss (methods depth and combined): the relief that it keeps it takes"
        " from the style, and from what a weight map can do",
        default=0.5,
    )
    alpha_min: float = setting(
        "factor on the content loss where the weight map is 0 (weighted and combined)", default=0.1
    )
    alpha_max: float = setting("factor where it is 1", default=5.0)
    content_layers: Several[str] = setting(
        "VGG-19 layers of the content loss: relu4_3 binds what things are, relu2_2 their edges",
        default=("relu4_3",),
    )
    content_error: float | None = setting(
        "how much of the photo may be lost: the relative content error to reach, 0 to 1, which"
        f" leads the content loss's weight (default: {CONTENT_ERROR}, where --content-weight does"
        " not fix that)",
        default=None,
    )
    map_input: bool = setting(
        "methods weighted and combined: the network takes a weight map beside the photo and learns"
        " to follow any, so that near and far are set when it is run; else it learns --weight-map"
        " alone",
        default=True,
    )
    locality_weight: float = setting(
        "weight of a loss on what changes in a picture where its map does not, for networks that"
        " take one; it takes something from what the map can do",
        default=30.0,
    )
    optimizer: Literal["muon", "adam"] = setting(
        "muon: updates of kernels are orthogonalized, which reaches a loss in half of adam's steps",
        default="muon",
    )
    vgg_part: float = setting(
        "last part of the training in which VGG-19 compares, after --loss-network small",
        default=0.0,
    )
    depth_part: float = setting(
        "part of each batch whose depth loss is computed: its gradient is right on average whatever"
        " the part (a step takes 1.12 times as long as a plain one with half, 1.24 with all)",
        default=0.5,
    )
    grid_shift: int = setting(
        "pixels, times --loss-downscale, by which pictures are cut at another place every step"
        " before they are compared, so that no weave is learnt that is bound to a grid; 0: whole",
        default=8,
    )
    stability_moves: Literal["camera", "shifts"] = setting(
        "what moves for the stability loss: the camera, by parts of pixels and more, turned, nearer"
        " and past what is near, as in films; or the photo, by whole pixels",
        default="camera",
    )

    PRESETS: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "thesis": {
            **ObjectiveConfig.PRESETS["thesis"],
            "image_size": "512x640",
            "batch_size": 4,
            "depth_part": 1.0,
            "grid_shift": 0,
            "grain": 0,
            "stability_weight": 0.0,
            "map_input": False,
            "optimizer": "adam",
            "init": "none",
        }
    }
    EARLIER: ClassVar[Mapping[str, Any]] = {
        "optimizer": "adam",
        "style_balance": "sum",
        "loss_padding": "zeros",
        "map_input": False,
        "locality_weight": 0.0,
        "stability_moves": "shifts",
        "grain": 0,
    }
    """What runs did that were begun before there were these settings."""

    def __post_init__(self) -> None:
        super().__post_init__()
        shorter = min(self.crop_size)
        check(
            shorter >= 40 * self.loss_downscale or not self.keeps_depth,
            f"--image-size {self.image_size} leaves the depth loss too little to see behind"
            f" --loss-downscale {self.loss_downscale}: choose a larger one, or another --method",
        )
        check(0 < self.depth_part <= 1, f"--depth-part must lie in (0, 1], not {self.depth_part}")
        within(0, 1, self, "vgg_part")
        check(
            self.vgg_part == 0 or self.loss_network != "vgg19",
            "--vgg-part follows another --loss-network, such as small",
        )
        above_zero(self, "content_error")
        check(
            self.content_error is None or self.style_balance == "relative",
            "--content-error is a relative error: leave out --style-balance sum",
        )
        check(
            self.content_error is None or self.content_weight is None,
            "--content-error leads the weight that --content-weight fixes: leave out one of them",
        )
        within(0, 8, self, "grid_shift")  # beyond, --image-size would have to be larger
        at_least(0, self, "locality_weight")

    @property
    def wanted_error(self) -> float | None:
        """The content error that leads the content loss's weight; None where that is fixed."""
        if self.style_balance == "sum" or self.content_weight is not None:
            return None
        return CONTENT_ERROR if self.content_error is None else self.content_error

    @property
    def steady_weight(self) -> float:
        """The stability loss's weight."""
        papers = self.style_balance == "sum" and self.stability_weight is None
        return 0.0 if papers else super().steady_weight

    @property
    def takes_map(self) -> bool:
        """Whether the network has a weight map as input."""
        return self.weights_content and self.map_input


class DistillConfig(StyleRunConfig):
    """``distill``: a small network that paints as a large one does."""

    teacher: Text = setting("the network to learn from: a style that ships, or a file of one")
    image_size: Size = setting(
        "side of the training crops in pixels, or HEIGHTxWIDTH", default="256"
    )
    width: int = setting("channels of the network's first layer", default=8)
    lr: float = setting(
        "learning rate of norms; that of kernels is five times as much", default=2e-3
    )
    weight_map: Text = setting(
        "what the maps are drawn from that a teacher is given which takes one: depth; horizontal or"
        " vertical; or a folder of greyscale maps named as the photos",
        default="depth",
    )
    depth_network: OptionalText = setting(
        "NAME.safetensors, transformers:NAME, or one that ships (default: the best that can be"
        " used)",
        default=None,
    )
    loss_network: Text = setting(
        "what looks at both networks' pictures, beside their pixels: small, which ships; vgg19,"
        " which takes twice the time; a file of loss train; or none",
        default="small",
    )
    style: Paths = setting(
        "painting, or several, whose strokes count beside those of the teacher's pictures, the less"
        " the more a map keeps of a photo",
        default=(),
    )
    style_size: Several[int] = setting(
        "longer side of the painting in pixels; several sizes are averaged", default=(640,)
    )

    EARLIER: ClassVar[Mapping[str, Any]] = {"stability_weight": 0.0, "loss_network": "none"}
    """What runs did that were begun before there were these settings."""

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(32, self, "style_size")
        check(
            not self.style or self.loss_network != "none",
            "--style needs a --loss-network that looks at it, not none",
        )
