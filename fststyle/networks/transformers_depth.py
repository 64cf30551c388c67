"""Depth from a model of Hugging Face's transformers, such as Depth Anything V2 small.

transformers is an extra (``pip install ".[transformers]"``) and takes seconds to import, so
it is imported only when a model is loaded.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from torch import Tensor, nn

from fststyle.networks.vgg import IMAGENET_MEAN, IMAGENET_STD

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

EXAMPLE = "depth-anything/Depth-Anything-V2-Small-hf"

INVERSE = {
    ("depth_anything", "relative"): True,
    ("depth_anything", "metric"): False,
    ("dpt", "vit"): True,  # Intel/dpt-large, that is MiDaS 3
    ("dpt", "dinov2"): False,  # facebook/dpt-dinov2-*, trained on NYU's and KITTI's metres
    ("glpn", None): False,
    ("zoedepth", None): False,
}
"""Does a kind of model (see ``_kind``) predict inverse depth, larger = nearer?"""

UNKNOWN_SIZE = 480
"""Shorter side in pixels where neither preprocessor nor configuration says one: GLPN's, which is
trained on NYU's 480×640."""

# The first fusion layer has nothing to fuse, and no patch is masked outside training: these are
# made but never used, and published files (Intel/dpt-large's) lack them.
_UNUSED = ("neck.fusion_stage.layers.0.residual_layer1.", "backbone.embeddings.mask_token")


class TransformersDepth(nn.Module):
    """A frozen depth-estimation model of transformers: larger = farther, at the image's size.

    A prediction of inverse depth (Depth Anything's, MiDaS's) is turned by its sign. It stays
    affine in disparity, known only up to a scale and a shift per image, and at most 0 where the
    model ends in a ReLU; 1/prediction would be no more of a depth, and explode far away. Metric
    predictions are left in metres. Scale and shift are thus arbitrary: compare what does not
    depend on them.

    Args:
        model: what ``AutoModelForDepthEstimation`` loads; it is frozen in place.
        mean, std: per channel, of the images in [0,1] the model was trained on.
        size: shorter side in pixels at which the model sees an image; None: its configuration's.
        inverse: whether the model predicts larger = nearer; None: as ``INVERSE`` says.

    Raises:
        ValueError: ``inverse`` is None and the kind of model is not known; size below 1.
    """

    def __init__(
        self,
        model: "PreTrainedModel",
        *,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        size: int | None = None,
        inverse: bool | None = None,
    ) -> None:
        super().__init__()
        size = _configured_size(model.config) if size is None else size
        if size < 1:
            raise ValueError(f"size of the depth model's input: expected at least 1, found {size}")
        self.inverse = predicts_inverse(model.config) if inverse is None else inverse
        self.size = size
        self.multiple = _patch_multiple(model.config)
        # transformers' plain DPT takes the patches for a square; its files ask for squares, too.
        self.square = _kind(model.config) == ("dpt", "vit")
        self.mean: Tensor
        self.std: Tensor
        self.model = model
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)
        self.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> "TransformersDepth":
        """Stays in evaluation mode whatever is asked for."""
        return super().train(False)

    def input_size(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) at which the model sees an image: whole patches, near its shape."""
        if self.square:
            height = width = 1
        scale = self.size / min(height, width) / self.multiple
        rows, columns = (max(1, round(scale * side)) for side in (height, width))
        return rows * self.multiple, columns * self.multiple

    def forward(self, image: Tensor) -> Tensor:
        """Depth N×1×H×W, larger = farther, of ``image``, N×3×H×W, RGB in [0,1]."""
        height, width = image.shape[-2:]
        x = _resize(image, self.input_size(height, width))
        pred = self.model(pixel_values=(x - self.mean) / self.std).predicted_depth
        pred = _resize(pred[:, None].to(image.dtype), (height, width))
        return -pred if self.inverse else pred


def load_transformers_depth(
    name_or_folder: str, *, size: int | None = None, inverse: bool | None = None
) -> TransformersDepth:
    """The depth model in a folder written by ``save_pretrained``, or of that name on the Hub.

    What is in transformers' cache or a folder needs no network. Only safetensors are read, in
    float32, and no code that comes with a model is run. Size, mean and std are those of the model's
    preprocessor_config.json; without such a file, its configuration's size and ImageNet's mean and
    std.

    Args:
        name_or_folder: for example "depth-anything/Depth-Anything-V2-Small-hf".
        size: shorter side in pixels at which the model is to see an image, instead of its own.
        inverse: see ``TransformersDepth``.

    Raises:
        ValueError: transformers is not installed; nothing there or not reachable; no depth
            model, or one that lacks weights; the kind is not known and ``inverse`` is None.
    """
    try:
        from transformers import AutoModelForDepthEstimation
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{name_or_folder}: a depth model of transformers needs more packages ({error});"
            " pip install '.[transformers]' in a clone"
        ) from error
    try:
        model, loaded = AutoModelForDepthEstimation.from_pretrained(
            name_or_folder, use_safetensors=True, trust_remote_code=False, output_loading_info=True
        )
        mean, std, own = _preprocessing(name_or_folder)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ValueError(
            f"{name_or_folder}: no depth model can be loaded ({reason}); expected a folder with"
            " config.json and model.safetensors, or a model's name on huggingface.co, such as"
            f" {EXAMPLE}, in the cache or reachable"
        ) from error
    missing = sorted(key for key in loaded["missing_keys"] if not key.startswith(_UNUSED))
    if missing:
        raise ValueError(
            f"{name_or_folder}: lacks {len(missing)} of the depth model's weights"
            f" ({missing[0]}, …); expected a whole depth model, such as {EXAMPLE}"
        )
    return TransformersDepth(
        model.float(), mean=mean, std=std, size=own if size is None else size, inverse=inverse
    )


def predicts_inverse(config: "PretrainedConfig") -> bool:
    """Whether a model so configured predicts larger = nearer; ValueError if that is not known."""
    kind = _kind(config)
    if kind not in INVERSE:
        known = ", ".join(" ".join(filter(None, kind)) for kind in INVERSE)
        raise ValueError(
            f"a depth model of type {' '.join(filter(None, kind))!r} is not known (known: {known}):"
            " say with inverse=True that it predicts larger = nearer, with inverse=False farther"
        )
    return INVERSE[kind]


def _kind(config: "PretrainedConfig") -> tuple[str, str | None]:
    """The model's type and, where types of both directions share it, what tells them apart."""
    if config.model_type == "depth_anything":
        return config.model_type, config.depth_estimation_type
    if config.model_type == "dpt":
        backbone = config.backbone_config
        return config.model_type, "vit" if backbone is None else backbone.model_type
    return config.model_type, None


def _patch_multiple(config: "PretrainedConfig") -> int:
    """What the sides of the model's input are a multiple of, in pixels."""
    # DPT keeps a patch_size of its own beside a backbone's, and then does not use it.
    for part in (getattr(config, "backbone_config", None), config):
        patch = getattr(part, "patch_size", None)
        if patch is not None:
            return patch if isinstance(patch, int) else math.lcm(*patch)
    return 32  # no patches but a pyramid down to 1/32, as GLPN's


def _configured_size(config: "PretrainedConfig") -> int:
    """Shorter side in pixels of the images that a model was made for."""
    for part in (getattr(config, "backbone_config", None), config):
        size = getattr(part, "image_size", None)
        if size is not None:
            return size if isinstance(size, int) else min(size)
    return UNKNOWN_SIZE


def _preprocessing(
    name_or_folder: str,
) -> tuple[Sequence[float], Sequence[float], int | None]:
    """(mean, std, shorter side in pixels) of the model's own preprocessor; without one ImageNet's,
    and None where it does not say a size, as GLPN's."""
    from transformers import AutoImageProcessor

    try:
        processor = AutoImageProcessor.from_pretrained(name_or_folder, trust_remote_code=False)
    except OSError:  # no such file
        return IMAGENET_MEAN, IMAGENET_STD, None
    own = getattr(processor, "size", None) or {}
    sides = [own[name] for name in ("shortest_edge", "height", "width") if own.get(name)]
    size = min(sides) if sides and getattr(processor, "do_resize", True) else None
    if not getattr(processor, "do_normalize", False):  # GLPN's takes [0,1] as it is
        return (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), size
    return processor.image_mean, processor.image_std, size


def _resize(maps: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(maps, size, mode="bilinear", align_corners=False, antialias=True)
