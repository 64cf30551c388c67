"""Style networks of pytorch/examples' ``fast_neural_style``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fststyle.checkpoints.files import load_strictly
from fststyle.networks.transform import OUTPUT_CENTRE, OUTPUT_SCALE, TransformNet

FIRST_TENSOR = "conv1.conv2d.weight"
"""By which such files are known."""


def from_pytorch_examples(
    state: Mapping[str, Tensor], _: Mapping[str, Any], source: Path
) -> TransformNet:
    """The network of a pytorch/examples ``fast_neural_style`` state dict, of any width.

    That network works on 0..255: the factor goes into the first convolution's weights and the last
    one's weights and bias. The running statistics that its oldest files carry are left out, as
    its own loader does.

    Raises ValueError that names the tensor that is missing, left over or misshapen.
    """
    remaining = {
        name: tensor.float()
        for name, tensor in state.items()
        if ".running_" not in name and "num_batches" not in name
    }
    first = remaining.get(FIRST_TENSOR)
    # Its number of channels decides how much memory the network takes: it must be there in numbers.
    if first is None or first.shape[1:] != (3, 9, 9) or not len(first):
        raise ValueError(f"{source}: no pytorch/examples fast_neural_style network")
    network = TransformNet(first.shape[0])
    renamed = {
        ours: remaining.pop(theirs) for ours, theirs in _NAMES.items() if theirs in remaining
    }
    load_strictly(network, {**renamed, **remaining}, source, _NAMES)
    with torch.no_grad():
        network.down1.conv.weight.mul_(255)
        network.out.conv.weight.div_(255 * OUTPUT_SCALE)
        assert network.out.conv.bias is not None
        network.out.conv.bias.div_(255).sub_(OUTPUT_CENTRE).div_(OUTPUT_SCALE)
    return network.eval()


def _pytorch_examples_names() -> dict[str, str]:
    """Our parameter names to those of pytorch/examples' TransformerNet."""
    blocks = {
        "down1.conv": "conv1.conv2d",
        "down1.norm": "in1",
        "down2.conv": "conv2.conv2d",
        "down2.norm": "in2",
        "down3.conv": "conv3.conv2d",
        "down3.norm": "in3",
        "up1.conv": "deconv1.conv2d",
        "up1.norm": "in4",
        "up2.conv": "deconv2.conv2d",
        "up2.norm": "in5",
        "out.conv": "deconv3.conv2d",
    }
    for i in range(5):
        for j in (1, 2):
            blocks[f"residuals.{i}.conv{j}.conv"] = f"res{i + 1}.conv{j}.conv2d"
            blocks[f"residuals.{i}.conv{j}.norm"] = f"res{i + 1}.in{j}"
    return {f"{a}.{p}": f"{b}.{p}" for a, b in blocks.items() for p in ("weight", "bias")}


_NAMES = _pytorch_examples_names()
