"""Somebody's hourglass network as a file of ours, and a file of ours at half the size.

The published networks are those of Chen et al. (Torch7, ``.t7``) and of MegaDepth (PyTorch). Both
predict larger = farther: the one is trained to give the farther pixel of a pair the larger number,
the other predicts log depth.
"""

from itertools import zip_longest
from pathlib import Path

import torch
from torch import Tensor, nn

from fststyle.checkpoints.depth import load_own, save_depth
from fststyle.checkpoints.foreign_files import read_tensors
from fststyle.checkpoints.torch7 import load_torch7, module_tensors
from fststyle.config import DepthConvertConfig
from fststyle.config.calls import from_settings
from fststyle.networks.hourglass import HourglassDepth
from fststyle.utils.files import check_free, check_suffix

COUNTER = "num_batches_tracked"
"""What PyTorch's batch norms count, and other files lack."""


@from_settings(DepthConvertConfig)
def run(config: DepthConvertConfig) -> None:
    """``fststyle depth convert``; by default the file takes the source's name and our suffix."""
    output = config.output or config.source.with_suffix(".safetensors")
    check_suffix(output, ".safetensors")
    if output.resolve() != config.source.resolve():  # of which convert has more to say
        check_free([output], config.overwrite)
    convert(config.source, output, half=config.half, note=config.note)
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB, from {config.source}")


def convert(source: Path, output: Path, *, half: bool = False, note: str | None = None) -> None:
    """Write the network of ``source``, a ``.t7``, ``.pth``, ``.pt`` or a file of ours, to
    ``output``; ``half`` as in ``save_depth``, ``note`` goes into the card.

    In foreign files names do not count: tensors are taken in their order, which must be the
    published one.

    Raises FileNotFoundError, or ValueError that names the first tensor that does not fit.
    """
    if output.resolve() == source.resolve():
        raise ValueError(f"{output} would be overwritten: give another --output")
    network: nn.Module
    if source.suffix.lower() == ".safetensors":
        network, card = load_own(source)
    else:
        network, card = from_tensors(_tensors(source), source), {"converted_from": source.name}
    if note:
        card["note"] = note
    save_depth(output, network, card, half=half)


def from_tensors(tensors: list[tuple[str, Tensor]], source: Path) -> HourglassDepth:
    """The network, in evaluation mode, of (name, tensor) pairs in the published order.

    Raises ValueError, with ``source`` in it, that names the first tensor that does not fit.
    """
    network = HourglassDepth(upsampling="nearest")
    ours = [(n, t) for n, t in network.state_dict().items() if not n.endswith(COUNTER)]
    pairs = list(zip_longest(ours, tensors))
    for place, (expected, found) in enumerate(pairs, 1):
        if expected is None:
            raise ValueError(
                f"{source}: tensor {found[0]!r} of shape {tuple(found[1].shape)} is left over:"
                f" an hourglass network has {len(ours)}, this has {len(tensors)}"
            )
        if found is None:
            raise ValueError(
                f"{source}: tensor {expected[0]!r} is missing:"
                f" an hourglass network has {len(ours)}, this has {len(tensors)}"
            )
        if expected[1].shape != found[1].shape:
            raise ValueError(
                f"{source}: tensor {expected[0]!r} should be {tuple(expected[1].shape)},"
                f" found {tuple(found[1].shape)} in its place, {found[0]!r}, number {place}"
            )
    with torch.no_grad():
        for expected, found in pairs:
            expected[1].copy_(found[1])
    return network.eval()


def _tensors(source: Path) -> list[tuple[str, Tensor]]:
    if source.suffix.lower() == ".t7":
        root = load_torch7(source)
        try:
            return list(module_tensors(root))
        except (ValueError, TypeError, RuntimeError) as error:  # torch's, and RecursionError
            reason = str(error).partition("\n")[0]
            raise ValueError(f"{source}: {reason}") from error
    if source.suffix.lower() not in (".pth", ".pt"):
        raise ValueError(f"{source}: expected a .t7, .pth, .pt or .safetensors file")
    return [(n, t) for n, t in read_tensors(source).items() if not n.endswith(COUNTER)]
