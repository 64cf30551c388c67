"""The hourglass networks that others published, of Chen et al. (Torch7, ``.t7``) and of MegaDepth
(PyTorch).

Both predict larger = farther: the one is trained to give the farther pixel of a pair the larger
number, the other predicts log depth.
"""

from collections.abc import Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fststyle.networks.hourglass import HourglassDepth

COUNTER = "num_batches_tracked"
"""What PyTorch's batch norms count, and other files lack."""


def from_published_order(
    tensors: Mapping[str, Tensor], _: Mapping[str, Any], source: Path
) -> HourglassDepth:
    """The network, in evaluation mode. Names do not count: tensors are taken in their order, which
    must be the published one.

    Raises ValueError, with ``source`` in it, that names the first tensor that does not fit.
    """
    network = HourglassDepth(upsampling="nearest")
    ours, theirs = (
        [(name, tensor) for name, tensor in state.items() if not name.endswith(COUNTER)]
        for state in (network.state_dict(), tensors)
    )
    counts = f"an hourglass network has {len(ours)}, this has {len(theirs)}"
    for place, (expected, actual) in enumerate(zip_longest(ours, theirs), 1):
        if expected is None:
            raise ValueError(
                f"{source}: tensor {actual[0]!r} of shape {tuple(actual[1].shape)} is left over:"
                f" {counts}"
            )
        if actual is None:
            raise ValueError(f"{source}: tensor {expected[0]!r} is missing: {counts}")
        if expected[1].shape != actual[1].shape:
            raise ValueError(
                f"{source}: tensor {expected[0]!r} should be {tuple(expected[1].shape)},"
                f" found {tuple(actual[1].shape)} in its place, {actual[0]!r}, number {place}"
            )
    with torch.no_grad():
        for (_name, tensor), (_theirs, values) in zip(ours, theirs, strict=True):
            tensor.copy_(values)
    return network.eval()
