"""VGG-19's convolutional features: the loss network (Simonyan and Zisserman 2014)."""

from collections.abc import Iterable, Mapping
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))
"""(channels, convolutions) of the five blocks; max pooling by 2 stands between them."""

CONVS = tuple(f"{b}_{c}" for b, (_, n) in enumerate(BLOCKS, 1) for c in range(1, n + 1))
"""Names of the convolutions in order: "1_1", "1_2", "2_1" … "5_4"."""

LAYERS = tuple(f"{kind}{conv}" for conv in CONVS for kind in ("conv", "relu"))
"""Layers that can be asked for, in order: before ("conv1_1") and after ("relu1_1") the ReLU."""

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of red, green and blue in [0,1]: what networks trained on ImageNet expect to be taken out."""


PARTS = ("weight", "bias")
"""Tensors of a convolution."""


def _torchvision_index() -> dict[str, int]:
    """Convolution name to its index in torchvision's ``vgg19().features``."""
    index, table = 0, {}
    for block, (_, count) in enumerate(BLOCKS, 1):
        for conv in range(1, count + 1):
            table[f"{block}_{conv}"] = index
            index += 2  # the convolution and its ReLU
        index += 1  # the pooling
    return table


TORCHVISION_INDEX = _torchvision_index()


def deepest_layer(state: Mapping[str, Tensor]) -> str:
    """The last of ``LAYERS`` for which a state dict with torchvision's names has weights."""
    depth = 0
    while depth < len(CONVS) and f"features.{TORCHVISION_INDEX[CONVS[depth]]}.weight" in state:
        depth += 1
    return f"relu{CONVS[max(depth, 1) - 1]}"


def _lacking(name: str, part: str) -> ValueError:
    return ValueError(
        f"the loss network's weights lack 'features.{TORCHVISION_INDEX[name]}.{part}': expected"
        " torchvision's vgg19 state dict, its features, or a file of loss train"
    )


def check_layers(layers: Iterable[str]) -> None:
    """Raise ValueError for a name that is no layer of VGG-19."""
    for layer in layers:
        if layer not in LAYERS:
            raise ValueError(
                f"VGG-19 has no layer {layer!r}: use relu1_1 … relu5_4, or conv1_1 … conv5_4"
                " (before the ReLU)"
            )


def _count_convs(layers: Iterable[str]) -> int:
    """How many of ``CONVS`` it takes to the deepest of ``layers``."""
    layers = tuple(layers)
    check_layers(layers)
    return max(CONVS.index(layer[4:]) for layer in layers) + 1


class VGG19Features(nn.Module):
    """Frozen VGG-19, or a narrower network with its layers, cut after the deepest of ``layers``.

    Args:
        state: torchvision's ``vgg19`` state dict, or any mapping with its keys
            ``features.<i>.weight`` and ``features.<i>.bias``, which say how wide the layers are;
            keys not needed are ignored.
        layers: names out of ``LAYERS``.

    Raises:
        ValueError: unknown layer; a tensor missing or of the wrong shape in ``state``.
    """

    def __init__(self, state: Mapping[str, Tensor], layers: Iterable[str]) -> None:
        super().__init__()
        self.mirrored = False
        depth = _count_convs(layers)
        self.mean: Tensor
        self.std: Tensor
        self.convs = nn.ModuleDict()
        channels = 3
        for name in CONVS[:depth]:
            keys = [f"features.{TORCHVISION_INDEX[name]}.{part}" for part in PARTS]
            for key, part in zip(keys, PARTS, strict=True):
                if key not in state:
                    raise _lacking(name, part)
            width = len(state[keys[0]])
            conv = nn.utils.skip_init(nn.Conv2d, channels, width, 3, padding=1)
            assert conv.bias is not None
            for key, parameter in zip(keys, (conv.weight, conv.bias), strict=True):
                if state[key].shape != parameter.shape:
                    raise ValueError(
                        f"the loss network's weights: {key!r} should be {tuple(parameter.shape)},"
                        f" found {tuple(state[key].shape)}"
                    )
                parameter.detach().copy_(state[key])
            self.convs[name] = conv
            channels = width
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)
        self.eval().requires_grad_(False)

    def cut(self, layers: Iterable[str]) -> Self:
        """Drop what comes after the deepest of ``layers``; returns itself.

        Raises ValueError for an unknown layer, or where the network ends before it.
        """
        depth = _count_convs(layers)
        for name in CONVS[:depth]:
            if name not in self.convs:
                raise _lacking(name, PARTS[0])
        for name in list(self.convs)[depth:]:
            del self.convs[name]
        return self

    def mirror(self, mirrored: bool = True) -> Self:
        """From now on pictures and maps are continued with their mirror image, in place of the
        zeros with which VGG-19 was trained, or with zeros again; returns itself.

        Zeros mark the border, and more than half of relu4_3's map of a 256 px crop can see it. A
        style network that is trained with them makes up for a border of which larger pictures have
        less: half as much again is lost of the deep layers' style at 512 px.
        """
        self.mirrored = mirrored
        for conv in self.convs.values():
            assert isinstance(conv, nn.Conv2d)
            conv.padding = (0, 0) if mirrored else (1, 1)
        return self

    def torchvision_state(self) -> dict[str, Tensor]:
        """The weights by torchvision's names, as the class takes them."""
        return {
            f"features.{TORCHVISION_INDEX[name]}.{part}": getattr(conv, part)
            for name, conv in self.convs.items()
            for part in PARTS
        }

    def train(self, mode: bool = True) -> Self:
        """Stays in evaluation mode whatever is asked for."""
        return super().train(False)

    def forward(self, image: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Feature maps of ``image``, N×3×H×W, RGB in [0,1], by layer name.

        Stops after the deepest of ``layers``. A map of block b is N×C×⌊H/2^(b−1)⌋×⌊W/2^(b−1)⌋.
        """
        wanted = set(layers)
        features: dict[str, Tensor] = {}
        x = (image - self.mean) / self.std
        rings = 0  # of pixels around the picture, of which each convolution uses up one
        previous = ""
        for name, conv in self.convs.items():
            if name[0] != previous:
                x = F.max_pool2d(x, 2) if previous else x
                previous = name[0]
                if self.mirrored:
                    # Once a block: copies of large maps take as long as a convolution in bfloat16.
                    rings = sum(other[0] == name[0] for other in self.convs)
                    x = _framed(x, rings)
            rings -= self.mirrored
            x = conv(x)
            if f"conv{name}" in wanted:
                features[f"conv{name}"] = _without(x, rings)
            x = F.relu(x)
            if f"relu{name}" in wanted:
                features[f"relu{name}"] = _without(x, rings)
            if len(features) == len(wanted):
                return features
        missing = ", ".join(sorted(wanted - features.keys()))
        raise ValueError(f"this extractor was cut before {missing}: name it when building")

    @torch.no_grad()
    def mean_activations(self, images: Tensor) -> dict[str, float]:
        """Mean activation of every ReLU layer over ``images`` (N×3×H×W), by convolution name."""
        features = self(images, [f"relu{name}" for name in self.convs])
        return {name: features[f"relu{name}"].double().mean().item() for name in self.convs}

    @torch.no_grad()
    def divide_activations(self, means: Mapping[str, float]) -> None:
        """Divide the activations of each convolution ``name`` and its ReLU by ``means[name]``.

        ReLU networks allow this exactly: relu(x/m) = relu(x)/m for m > 0, and the next
        convolution's weights take the factor back (Gatys et al. 2016, section 2).
        """
        before = 1.0
        for name, conv in self.convs.items():
            assert isinstance(conv, nn.Conv2d) and conv.bias is not None
            conv.weight.mul_(before / means[name])
            conv.bias.div_(means[name])
            before = means[name]


def _framed(x: Tensor, rings: int) -> Tensor:
    """N×C×H×W continued by ``rings`` pixels on all sides: mirrored, or where there is too little to
    mirror as its border."""
    mode = "reflect" if min(x.shape[-2:]) > rings else "replicate"
    return F.pad(x, (rings,) * 4, mode=mode)


def _without(x: Tensor, rings: int) -> Tensor:
    """``x`` without the outermost ``rings`` pixels."""
    return x[..., rings:-rings, rings:-rings] if rings else x
