"""One way to open every file with a network in it: ours, those of earlier versions, others'.

No code in a file is run, loading is strict, and what is wrong is said in one line.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, Literal, NamedTuple, TypeVar, overload

from torch import Tensor, nn

from fststyle.checkpoints.depth import (
    attach_extractor,
    build_fast,
    build_head,
    build_hourglass,
    file_id,
    transformers_id,
)
from fststyle.checkpoints.exported import read_exported
from fststyle.checkpoints.files import has_card, load_tensors
from fststyle.checkpoints.foreign_files import read_arrays, read_tensors
from fststyle.checkpoints.published_hourglass import from_published_order
from fststyle.checkpoints.pytorch_examples import FIRST_TENSOR, from_pytorch_examples
from fststyle.checkpoints.style import build_transform
from fststyle.checkpoints.torch7 import read_module
from fststyle.checkpoints.vgg import build_loss_network, build_vgg19, read_vgg19
from fststyle.config.cards import explained
from fststyle.networks import depth_head, hourglass, transform
from fststyle.networks.depth_head import VGGDepthHead
from fststyle.networks.transform import TransformNet
from fststyle.networks.transformers_depth import load_transformers_depth
from fststyle.networks.vgg import VGG19Features
from fststyle.utils.pretrained import CHECKPOINTS, shipped_styles

STYLE: Final = "style network"
"""From a photo to a picture."""
DEPTH: Final = "depth network"
"""From a photo to its depth."""
LOSS: Final = "loss network"
"""From a picture to the feature maps by which it is compared."""

Network = TypeVar("Network", bound=nn.Module, covariant=True)


@dataclass(frozen=True)
class ModelDescriptor(Generic[Network]):
    """A network out of a file, and what one should know to run it."""

    kind: str
    """One of ``KINDS``."""
    network: Network
    """In evaluation mode, on the CPU; depth and loss networks are frozen."""
    card: dict[str, Any]
    """What the file says of itself; depth networks' have an "id", a plain file name that no other
    network has."""
    source: str
    """Where it came from, without the folder: for cards and messages."""

    @property
    def purpose(self) -> str:
        """STYLE, DEPTH or LOSS."""
        return KINDS[self.kind].purpose

    @property
    def min_size(self) -> int:
        """Smallest height and width in pixels of the images that it takes."""
        return KINDS[self.kind].min_size

    @property
    def multiple(self) -> int:
        """Pixels. Any larger size will do; sides that are multiples of this are used to their last
        row and column, and need not be filled up inside."""
        return KINDS[self.kind].multiple


Build = Callable[[Mapping[str, Tensor], Mapping[str, Any], Path], nn.Module]
"""From tensors, card and the file that messages name; raises ValueError where they do not fit."""


class Kind(NamedTuple):
    """What networks of a kind are for, how they are built, and what sizes they take."""

    purpose: str
    min_size: int
    multiple: int
    build: Build | None = None
    """From a file of ours; None where such networks are in others' alone."""


KINDS = {
    "transform": Kind(STYLE, transform.MIN_SIZE, transform.STRIDE, build_transform),
    "vgg_head": Kind(DEPTH, depth_head.MIN_SIZE, 16, build_head),
    "fast": Kind(DEPTH, depth_head.MIN_SIZE, 16, build_fast),
    "hourglass": Kind(DEPTH, hourglass.MIN_SIZE, hourglass.MULTIPLE, build_hourglass),
    "transformers": Kind(DEPTH, 1, 1),  # which bring images to their own size
    "loss_network": Kind(LOSS, 8, 8, build_loss_network),  # of four blocks with three poolings
    "vgg19": Kind(LOSS, 16, 16),
}
"""By the kind that stands in a file's card."""

FOREIGN: dict[str, tuple[str, Build]] = {
    STYLE: ("transform", from_pytorch_examples),
    DEPTH: ("hourglass", from_published_order),
    LOSS: ("vgg19", build_vgg19),
}
"""What files without a card are read as, by the purpose of what is in them."""

FOLDERS = {"base": STYLE, "styles": STYLE, "depth": DEPTH, "loss": LOSS}
"""What the networks that ship are for, by the folder of their files."""

TRANSFORMERS = "transformers:"
FOREIGN_SUFFIXES = (".pth", ".pt", ".model", ".npz", ".t7")
SUFFIXES = (".safetensors", ".onnx", *FOREIGN_SUFFIXES)
"""Of the files that networks come in."""


@overload
def load(
    source: str | Path, expected: Literal["style network"], /
) -> ModelDescriptor[TransformNet]: ...


@overload
def load(
    source: str | Path, expected: Literal["loss network"], /, *, vgg_weights: Path | None = None
) -> ModelDescriptor[VGG19Features]: ...


@overload
def load(
    source: str | Path, /, *expected: str, vgg_weights: Path | None = None
) -> ModelDescriptor[nn.Module]: ...


def load(
    source: str | Path, /, *expected: str, vgg_weights: Path | None = None
) -> ModelDescriptor[nn.Module]:
    """The network of ``source``, ready to run.

    Args:
        source: a file: .safetensors of ours or with VGG-19's weights; .onnx with an exported style;
            .pth, .pt, .model or .npz of pytorch/examples; .pth or .pt with VGG-19's weights by
            torchvision's names, or with the published hourglass; .t7 with the latter. Or the name
            of a network that ships, such as "great_wave", "hourglass" or "small"; "vgg19";
            "transformers:NAME" with a Hugging Face depth model or its folder.
        expected: STYLE, DEPTH, LOSS: what it may be; anything by default.
        vgg_weights: file of VGG-19's weights, for "vgg19" and for heads on it. By default that in
            $FSTSTYLE_ASSETS, or torchvision's, which is downloaded where it is not at hand.

    Raises FileNotFoundError or ValueError with the reason; TypeError for what is no path.
    """
    if not isinstance(source, str | Path):
        raise TypeError(f"expected a file, or the name of a network, found {source!r:.80}")
    name = str(source)
    if name in ("", TRANSFORMERS):
        raise ValueError(f"{name!r} names no network: give a file, a name or {TRANSFORMERS}NAME")
    if name == "vgg19":
        _check_purpose(name, LOSS, expected)
        vgg19, place = read_vgg19(vgg_weights)
        return ModelDescriptor("vgg19", vgg19, {}, place)
    if name.startswith(TRANSFORMERS):
        _check_purpose(name, DEPTH, expected)
        name = name.removeprefix(TRANSFORMERS)
        model = load_transformers_depth(name)
        card = {"kind": "transformers", "name": name, "id": transformers_id(name)}
        place = Path(name).resolve().name if Path(name).is_dir() else name
        return ModelDescriptor("transformers", model, {**card, "shorter_side": model.size}, place)
    path = _file_named(source, expected) if isinstance(source, str) else source
    kind, network, card = read_network(path, *expected)
    if KINDS[kind].purpose == DEPTH:
        card = {**card, "kind": kind, "id": file_id(path)}
        if isinstance(network, VGGDepthHead):
            network = attach_extractor(network, card, vgg_weights, path)
        network.requires_grad_(False)
    return ModelDescriptor(kind, network.eval(), card, path.name)


def _check_purpose(name: str, purpose: str, expected: tuple[str, ...]) -> None:
    if expected and purpose not in expected:
        raise ValueError(f"{name} is a {purpose}, not a {' or '.join(expected)}")


def _file_named(name: str, expected: tuple[str, ...]) -> Path:
    ships, path = shipped(), Path(name)
    if name in ships:
        return ships[name]
    if name == path.stem and not path.exists():
        names = [
            n for n, file in ships.items() if FOLDERS[file.parent.name] in (expected or FOREIGN)
        ]
        raise FileNotFoundError(
            f"{name}: no such file, and no network that ships; those are {', '.join(names)}"
        )
    return path


def shipped() -> dict[str, Path]:
    """The files of the networks that ship, by name."""
    others = {path.stem: path for path in sorted(CHECKPOINTS.glob("*/*.safetensors"))}
    return {**others, **shipped_styles()}


def read_network(path: Path, *expected: str) -> tuple[str, nn.Module, dict[str, Any]]:
    """(kind, network as the file has it, card); a head comes without its VGG-19.

    Arguments and errors are those of ``load``.
    """
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        if expected and STYLE not in expected:
            raise ValueError(f"{path}: an exported network, where a {' or '.join(expected)} is due")
        return "transform", *read_exported(path)
    if suffix in FOREIGN_SUFFIXES:
        return _read_foreign(path, _read_tensors_of(path), expected)
    if suffix == ".safetensors" and LOSS in (expected or (LOSS,)) and not has_card(path):
        tensors = read_tensors(path)
        if "features.0.weight" in tensors:
            return _read_foreign(path, tensors, (LOSS,))
    tensors, card = load_tensors(path)
    with explained(card):
        kind = card.get("kind")
        known = KINDS.get(kind) if isinstance(kind, str) else None
        if known is None or known.build is None or known.purpose not in (expected or FOREIGN):
            what = " or ".join(expected) or "network that is known"
            raise ValueError(f"{path}: holds a {kind!r}, not a {what}")
        assert kind is not None
        return kind, known.build(tensors, card, path), card


def _read_tensors_of(path: Path) -> dict[str, Tensor]:
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return read_arrays(path)
    return read_module(path) if suffix == ".t7" else read_tensors(path)


def _read_foreign(
    path: Path, tensors: Mapping[str, Tensor], expected: tuple[str, ...]
) -> tuple[str, nn.Module, dict[str, Any]]:
    """What tensors without a card are can be told by their names, and by what they are to be."""
    purpose = DEPTH  # whose tensors are known by their order alone
    if FIRST_TENSOR in tensors:
        purpose = STYLE
    elif "features.0.weight" in tensors:
        purpose = LOSS
    named = purpose != DEPTH
    if expected and purpose not in expected:
        purpose = expected[0]  # whose error says what is missing
    kind, build = FOREIGN[purpose]
    card = {"converted_from": path.name}
    try:
        network = build(tensors, card, path)
    except ValueError as error:
        if named or len(expected) == 1:
            raise
        reason = str(error).removeprefix(f"{path}: ")
        raise ValueError(
            f"{path}: no network that is known: not pytorch/examples' (no {FIRST_TENSOR!r}), not"
            f" VGG-19 (no 'features.0.weight'), and not the published hourglass ({reason})"
        ) from error
    return kind, network, {**card, "style": [{"name": path.stem}]} if purpose == STYLE else card
