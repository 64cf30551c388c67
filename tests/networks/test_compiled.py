"""What ``torch.compile`` makes of the networks' paddings."""

import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from fststyle.networks.hourglass import _crop, _extend
from fststyle.networks.transform import _replicate_border


class Paddings(nn.Module):
    """Those of both networks and little else: compiling a whole network takes a minute."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 2, 3)

    def forward(self, image: Tensor) -> Tensor:
        x = _replicate_border(self.first(_extend(image)))
        return _crop(self.last(x), *image.shape[-2:])


@pytest.mark.slow
@pytest.mark.skipif(not (shutil.which("g++") or shutil.which("clang++")), reason="no C++ compiler")
def test_compiled_paddings_give_the_same_gradient_in_nhwc(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What was compiled for other instructions computes something else, and is taken all the same.
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    torch.manual_seed(0)
    network = Paddings().double().to(memory_format=torch.channels_last)
    image = torch.rand(1, 3, 33, 47, dtype=torch.float64).to(memory_format=torch.channels_last)
    gradients = []
    for module in (network, torch.compile(network)):
        leaf = image.clone().requires_grad_()
        module(leaf).square().sum().backward()
        assert leaf.grad is not None
        gradients.append(leaf.grad)
    torch.testing.assert_close(*gradients)
