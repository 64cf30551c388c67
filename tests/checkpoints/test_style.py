from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from fststyle.checkpoints import STYLE, load
from fststyle.checkpoints.files import load_tensors, save_tensors
from fststyle.checkpoints.style import save_transform
from fststyle.networks.transform import TransformNet


def test_a_network_is_rebuilt_from_its_file_alone(tmp_path: Path) -> None:
    network = TransformNet(4)
    save_transform(tmp_path / "x.safetensors", network, {"step": 7, "style": [{"name": "Øl"}]})
    model = load(tmp_path / "x.safetensors", STYLE)
    rebuilt, card = model.network, model.card
    assert card["step"] == 7 and card["style"][0]["name"] == "Øl"
    assert rebuilt.width == 4 and not rebuilt.training
    content = torch.rand(1, 3, 20, 20)
    assert torch.equal(rebuilt(content), network(content))


def test_files_of_other_kinds_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    with pytest.raises(FileNotFoundError, match="no such file"):
        load(path, STYLE)
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="damaged, or no safetensors file"):
        load(path, STYLE)
    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match="not written by fststyle"):
        load(path, STYLE)
    save_tensors(path, {"x": torch.zeros(1)}, {"kind": "depth"})
    with pytest.raises(ValueError, match="holds a 'depth', not a style network"):
        load(path, STYLE)


def test_loading_is_strict(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    tensors = TransformNet(4).state_dict()
    card = {"kind": "transform", "network": {"width": 4}}
    save_tensors(path, {k: v for k, v in tensors.items() if k != "down1.conv.bias"}, card)
    with pytest.raises(ValueError, match="'down1.conv.bias' is missing"):
        load(path, STYLE)
    save_tensors(path, {**tensors, "extra": torch.zeros(1)}, card)
    with pytest.raises(ValueError, match="'extra' belongs to no"):
        load(path, STYLE)
    save_tensors(path, {**tensors, "up1.norm.bias": torch.zeros(5)}, card)
    with pytest.raises(ValueError, match=r"'up1.norm.bias' should be \(8,\), found \(5,\)"):
        load(path, STYLE)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_tensors(path, {"x": torch.ones(2)}, {"step": 1})
    with pytest.raises(TypeError):
        save_tensors(path, {"x": torch.zeros(2)}, {"step": object()})
    assert load_tensors(path)[1] == {"step": 1}
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode, "as any file of the user's"
    (tmp_path / "plain").unlink()
    assert list(tmp_path.iterdir()) == [path]


class TransformerNet(nn.Module):
    """Plain re-statement of the pytorch/examples network: 0..255 in and out."""

    def __init__(self, width: int) -> None:
        super().__init__()

        def conv(into: int, out: int, size: int, stride: int = 1) -> nn.Module:
            layer = nn.Module()
            layer.pad, layer.conv2d = (
                nn.ReflectionPad2d(size // 2),
                nn.Conv2d(into, out, size, stride),
            )
            return layer

        def norm(channels: int) -> nn.InstanceNorm2d:
            return nn.InstanceNorm2d(channels, affine=True)

        w = width
        self.conv1, self.in1 = conv(3, w, 9), norm(w)
        self.conv2, self.in2 = conv(w, 2 * w, 3, 2), norm(2 * w)
        self.conv3, self.in3 = conv(2 * w, 4 * w, 3, 2), norm(4 * w)
        for i in range(1, 6):
            block = nn.Module()
            block.conv1, block.in1 = conv(4 * w, 4 * w, 3), norm(4 * w)
            block.conv2, block.in2 = conv(4 * w, 4 * w, 3), norm(4 * w)
            setattr(self, f"res{i}", block)
        self.deconv1, self.in4 = conv(4 * w, 2 * w, 3), norm(2 * w)
        self.deconv2, self.in5 = conv(2 * w, w, 3), norm(w)
        self.deconv3 = conv(w, 3, 9)

    def forward(self, x: Tensor) -> Tensor:
        def conv(layer: nn.Module, x: Tensor) -> Tensor:
            return layer.conv2d(layer.pad(x))  # type: ignore[operator]

        def up(x: Tensor) -> Tensor:
            return nn.functional.interpolate(x, scale_factor=2, mode="nearest")

        for i in (1, 2, 3):
            x = getattr(self, f"in{i}")(conv(getattr(self, f"conv{i}"), x)).relu()
        for i in range(1, 6):
            block = getattr(self, f"res{i}")
            inner = block.in1(conv(block.conv1, x)).relu()
            x = x + block.in2(conv(block.conv2, inner))
        x = self.in4(conv(self.deconv1, up(x))).relu()
        x = self.in5(conv(self.deconv2, up(x))).relu()
        return conv(self.deconv3, x)


def assert_same_pictures(theirs: TransformerNet, path: Path) -> None:
    ours = load(path, STYLE).network
    content = torch.rand(2, 3, 64, 48)
    with torch.no_grad():
        torch.testing.assert_close(ours(content), theirs(content * 255) / 255, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("suffix", [".pth", ".npz", ".model"])
def test_pytorch_examples_networks_give_their_own_pictures(tmp_path: Path, suffix: str) -> None:
    torch.manual_seed(0)
    theirs, path = TransformerNet(8), tmp_path / f"old{suffix}"
    with torch.no_grad():  # pictures in 0..255, as a trained network gives
        theirs.get_parameter("deconv3.conv2d.weight").mul_(100)
        theirs.get_parameter("deconv3.conv2d.bias").add_(128)
    state = theirs.state_dict()
    if suffix == ".npz":
        np.savez(path, **{k: v.numpy() for k, v in state.items()})
    else:  # the oldest files carry running statistics
        torch.save({**state, "in1.running_mean": torch.zeros(8)}, path)
    assert_same_pictures(theirs, path)


@pytest.mark.assets
def test_a_real_pytorch_examples_network(assets: Path) -> None:
    path = assets / "peers/pytorch_examples/candy.npz"
    theirs = TransformerNet(32)
    with np.load(path) as arrays:
        theirs.load_state_dict({k: torch.from_numpy(arrays[k]).float() for k in arrays.files})
    assert_same_pictures(theirs, path)


def test_foreign_files_of_other_networks_name_the_tensor(tmp_path: Path) -> None:
    path = tmp_path / "old.pth"
    torch.save({"fc.weight": torch.zeros(3, 3)}, path)
    with pytest.raises(ValueError, match="no pytorch/examples fast_neural_style network"):
        load(path, STYLE)
    state = TransformerNet(4).state_dict()
    del state["res2.conv1.conv2d.bias"]
    torch.save(state, path)
    with pytest.raises(ValueError, match="'res2.conv1.conv2d.bias' in the file"):
        load(path, STYLE)
    np.savez(tmp_path / "bad.npz", x=np.array([object()]))
    with pytest.raises(ValueError, match="not an .npz file of plain arrays"):
        load(tmp_path / "bad.npz", STYLE)
