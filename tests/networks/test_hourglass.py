import pytest
import torch
from torch import nn

from fststyle.networks.hourglass import BLOCKS, HourglassDepth, Inception

pytestmark = pytest.mark.numerical

TABLE = [
    ("A", 128, 64, 64, (3, 7, 11)),
    ("B", 128, 128, 32, (3, 5, 7)),
    ("C", 128, 128, 64, (3, 7, 11)),
    ("D", 128, 256, 32, (3, 5, 7)),
    ("E", 256, 256, 32, (3, 5, 7)),
    ("F", 256, 256, 64, (3, 7, 11)),
    ("G", 256, 128, 32, (3, 5, 7)),
    ("B64", 128, 128, 64, (3, 5, 7)),
    ("A32", 128, 64, 32, (3, 7, 11)),
]
"""The reference's table: block, channels in and out, inner width, kernels."""


@pytest.fixture(scope="module")
def network() -> HourglassDepth:
    torch.manual_seed(0)
    return HourglassDepth().eval()


def kernels(module: nn.Module) -> list[tuple[int, ...]]:
    """Shapes of the convolutions' kernels, in order."""
    return [tuple(m.weight.shape) for m in module.modules() if isinstance(m, nn.Conv2d)]


def expected_kernels(into: int, out: int, inner: int, sizes: tuple[int, ...]) -> list[object]:
    shapes: list[object] = [(out // 4, into, 1, 1)]
    for size in sizes:
        shapes += [(inner, into, 1, 1), (out // 4, inner, size, size)]
    return shapes


@pytest.mark.parametrize(("name", "into", "out", "inner", "sizes"), TABLE)
def test_blocks_are_the_papers(
    name: str, into: int, out: int, inner: int, sizes: tuple[int, ...]
) -> None:
    block = Inception(BLOCKS[name])
    assert kernels(block) == expected_kernels(into, out, inner, sizes)
    assert all(not m.affine for m in block.modules() if isinstance(m, nn.BatchNorm2d))
    assert all(m.bias is not None for m in block.modules() if isinstance(m, nn.Conv2d))
    found = block(torch.rand(1, into, 12, 13))
    assert found.shape == (1, out, 12, 13)
    assert (found.amin((0, 2, 3)) >= 0).all()  # a ReLU ends every branch


def test_blocks_stand_in_the_published_order(network: HourglassDepth) -> None:
    """The order of hourglass3.lua, in which its level 1 and 2 begin with the skip branch."""
    letters = {tuple(expected_kernels(*row[1:])): row[0] for row in TABLE}
    found = [letters[tuple(kernels(m))] for m in network.modules() if isinstance(m, Inception)]
    level1 = "E E E E E"
    level2 = f"E F E E {level1} E F"
    level3 = f"B D {level2} E G B C"
    assert " ".join(found) == f"B B {level3} B64 A32 A"
    assert len(BLOCKS) == len(TABLE)
    state = list(network.state_dict())
    norm = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    assert state[:7] == ["stem.conv.weight", "stem.conv.bias", *(f"stem.norm.{x}" for x in norm)]
    assert state[-2:] == ["out.weight", "out.bias"]


def test_number_of_parameters(network: HourglassDepth) -> None:
    assert sum(p.numel() for p in network.parameters()) == 5_357_153


@pytest.mark.parametrize(("height", "width"), [(32, 48), (33, 47), (100, 132)])
@torch.no_grad()
def test_any_size_is_padded_and_cropped(network: HourglassDepth, height: int, width: int) -> None:
    image = torch.rand(2, 3, height, width)
    rows = torch.arange(-(-height // 16) * 16).clamp(max=height - 1)
    columns = torch.arange(-(-width // 16) * 16).clamp(max=width - 1)
    padded = image[:, :, rows][..., columns]
    depth = network(image)
    assert depth.shape == (2, 1, height, width)
    torch.testing.assert_close(depth, network(padded)[:, :, :height, :width])


@pytest.mark.parametrize(("height", "width"), [(31, 64), (64, 31)])
def test_small_images_are_refused(network: HourglassDepth, height: int, width: int) -> None:
    with pytest.raises(ValueError, match=f"at least 32x32 pixels, found {width}x{height}"):
        network(torch.rand(1, 3, height, width))


def test_gradient_reaches_every_pixel(network: HourglassDepth) -> None:
    image = torch.rand(1, 3, 33, 47, requires_grad=True)
    network(image).square().sum().backward()
    assert image.grad is not None and image.grad.isfinite().all()
    assert (image.grad != 0).all()


def test_training_updates_the_statistics() -> None:
    network = HourglassDepth().train()
    network(torch.rand(2, 3, 32, 32)).mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
    for name, buffer in network.named_buffers():
        if name.endswith("running_mean"):
            assert (buffer != 0).all(), name
