from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from fststyle.checkpoints import DEPTH, load
from fststyle.checkpoints.convert import convert, run
from fststyle.checkpoints.depth import save_depth
from fststyle.networks.hourglass import HourglassDepth
from tests.checkpoints.torch7_writer import Function, Module, write_torch7


class Concat(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self], 1)


class Sum(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        return self[0](x) + self[1](x)


def inception(into: int, first: int, *branches: tuple[int, int, int]) -> nn.Module:
    def conv(into: int, out: int, size: int) -> list[nn.Module]:
        padding = (size - 1) // 2
        norm = nn.BatchNorm2d(out, affine=False)
        return [nn.Conv2d(into, out, size, padding=padding), norm, nn.ReLU()]

    more = [nn.Sequential(*conv(into, a, 1), *conv(a, b, size)) for size, a, b in branches]
    return Concat(nn.Sequential(*conv(into, first, 1)), *more)


def published() -> nn.Sequential:
    """Plain re-statement of the published network: the numbers of its Torch model, in order."""

    def e() -> nn.Module:
        return inception(256, 64, (3, 32, 64), (5, 32, 64), (7, 32, 64))

    def f() -> nn.Module:
        return inception(256, 64, (3, 64, 64), (7, 64, 64), (11, 64, 64))

    def b() -> nn.Module:
        return inception(128, 32, (3, 32, 32), (5, 32, 32), (7, 32, 32))

    def up() -> nn.Module:
        return nn.Upsample(scale_factor=2, mode="nearest")

    sequence = nn.Sequential
    level1 = Sum(sequence(e(), e()), sequence(nn.AvgPool2d(2), e(), e(), e(), up()))
    level2 = Sum(
        sequence(e(), f()), sequence(nn.AvgPool2d(2), e(), e(), sequence(level1), e(), f(), up())
    )
    level3 = Sum(
        sequence(
            nn.MaxPool2d(2),
            b(),
            inception(128, 64, (3, 32, 64), (5, 32, 64), (7, 32, 64)),
            sequence(level2),
            e(),
            inception(256, 32, (3, 32, 32), (5, 32, 32), (7, 32, 32)),
            up(),
        ),
        sequence(b(), inception(128, 32, (3, 64, 32), (7, 64, 32), (11, 64, 32))),
    )
    level4 = Sum(
        sequence(
            nn.MaxPool2d(2),
            b(),
            b(),
            sequence(level3),
            inception(128, 32, (3, 64, 32), (5, 64, 32), (7, 64, 32)),
            inception(128, 16, (3, 32, 16), (7, 32, 16), (11, 32, 16)),
            up(),
        ),
        sequence(inception(128, 16, (3, 64, 16), (7, 64, 16), (11, 64, 16))),
    )
    stem = (nn.Conv2d(3, 128, 7, padding=3), nn.BatchNorm2d(128), nn.ReLU())
    return sequence(*stem, sequence(level4), nn.Conv2d(64, 1, 3, padding=1))


@pytest.fixture(scope="module")
def theirs() -> nn.Sequential:
    torch.manual_seed(0)
    network = published().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):  # as if it had been trained
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.05, 0.2)
            if module.affine:
                nn.init.normal_(module.weight)
                nn.init.normal_(module.bias)
    return network


State = dict[str, Tensor]


@pytest.fixture
def state(theirs: nn.Sequential) -> State:
    return theirs.state_dict()


@torch.no_grad()
def assert_same_depth(theirs: nn.Module, ours: nn.Module) -> None:
    image = torch.rand(2, 3, 32, 48)
    expected = theirs(image)
    torch.testing.assert_close(ours(image), expected, atol=1e-4 * expected.std().item(), rtol=1e-4)


@pytest.mark.parametrize("prefix", ["", "module.", "netG."])
def test_a_pytorch_network_gives_its_own_depth(
    theirs: nn.Sequential, state: State, tmp_path: Path, prefix: str
) -> None:
    if prefix == "module.":  # PyTorch's of before 2018 have no such counters
        state = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    path = tmp_path / "old.pth"
    torch.save({prefix + k: v for k, v in state.items()}, path)
    convert(path, tmp_path / "new.safetensors")
    model = load(tmp_path / "new.safetensors", DEPTH)
    network, card = model.network, model.card
    assert card["kind"] == "hourglass" and card["converted_from"] == "old.pth"
    assert card["network"] == {"upsampling": "nearest"}
    assert not network.training
    assert_same_depth(theirs, network)


def as_torch7(module: nn.Module) -> Module:
    if isinstance(module, nn.Conv2d):
        table = {name: p.detach() for name, p in module.named_parameters()}
        return Module("cudnn.SpatialConvolution", {**table, "gradWeight": torch.empty(0), "kW": 1})
    if isinstance(module, nn.BatchNorm2d):
        named = (*module.named_buffers(), *module.named_parameters())
        table = {name: t.detach() for name, t in named if name != "num_batches_tracked"}
        return Module("nn.SpatialBatchNormalization", {**table, "eps": 1e-5, "affine": True})
    if isinstance(module, nn.Sequential):
        return Module("nn.Sequential", {"modules": [as_torch7(child) for child in module]})
    return Module(f"nn.{type(module).__name__}", {"inplace": True, "output": torch.empty(0)})


@pytest.mark.parametrize("cuda", [False, True])
def test_a_torch7_network_gives_its_own_depth(
    theirs: nn.Sequential, tmp_path: Path, cuda: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "model.t7"
    write_torch7(path, as_torch7(theirs), cuda=cuda)
    run(source=path)
    assert capsys.readouterr().out == f"{tmp_path}/model.safetensors: 21.6 MB, from {path}\n"
    assert_same_depth(theirs, load(tmp_path / "model.safetensors", DEPTH).network)


def test_what_does_not_fit_is_named(state: State, tmp_path: Path) -> None:
    path, output = tmp_path / "old.pth", tmp_path / "new.safetensors"

    def refused(state: State, message: str) -> None:
        torch.save(state, path)
        with pytest.raises(ValueError, match=message) as error:
            convert(path, output)
        assert "\n" not in str(error.value) and str(path) in str(error.value)
        assert not output.exists()

    first = "levels.pooled.0.branches.0.conv.weight"
    theirs = "3.0.0.1.0.0.weight"
    assert state[theirs].shape == (32, 128, 1, 1)
    refused(
        {**state, theirs: torch.zeros(32, 64, 1, 1)},
        rf"'{first}' should be \(32, 128, 1, 1\), found \(32, 64, 1, 1\) in its place,"
        rf" '{theirs}', number 7",
    )
    without = {k: v for k, v in state.items() if k != theirs}
    refused(without, rf"'{first}' should be .*, found \(32,\) in its place, '3.0.0.1.0.0.bias'")
    without = {k: v for k, v in state.items() if k != "4.bias"}
    refused(without, r"tensor 'out.bias' is missing: an hourglass network has 624, this has 623")
    refused(
        {**state, "5.weight": torch.zeros(2)},
        r"tensor '5.weight' of shape \(2,\) is left over: an hourglass network has 624",
    )
    refused({}, "'stem.conv.weight' is missing")


def test_other_sources_are_refused(tmp_path: Path) -> None:
    output = tmp_path / "new.safetensors"
    for name in ("x.pth", "x.t7"):
        with pytest.raises(FileNotFoundError, match="no such file"):
            convert(tmp_path / name, output)
    (tmp_path / "x.pth").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="x.pth: "):
        convert(tmp_path / "x.pth", output)
    with pytest.raises(ValueError, match="x.bin: expected a .t7, .pth, .pt or .safetensors file"):
        convert(tmp_path / "x.bin", output)
    write_torch7(tmp_path / "x.t7", {"model": 1})
    with pytest.raises(ValueError, match="x.t7: expected a Torch7 module, found a dict"):
        convert(tmp_path / "x.t7", output)
    write_torch7(tmp_path / "x.t7", Module("nn.Sequential", {"modules": [Function()]}))
    with pytest.raises(ValueError, match="x.t7: .* Lua function"):
        convert(tmp_path / "x.t7", output)
    write_torch7(tmp_path / "x.t7", Module("nn.Sequential", {"modules": []}))
    with pytest.raises(ValueError, match="x.t7: tensor 'stem.conv.weight' is missing"):
        convert(tmp_path / "x.t7", output)
    assert not output.exists()


def test_ours_at_half_the_size_keeps_its_card(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, source = HourglassDepth().eval(), tmp_path / "own.safetensors"
    save_depth(source, network, {"step": 7})
    convert(source, tmp_path / "half.safetensors", half=True, note="made of ramps")
    assert (tmp_path / "half.safetensors").stat().st_size < 0.52 * source.stat().st_size
    model = load(tmp_path / "half.safetensors", DEPTH)
    loaded, card = model.network, model.card
    assert (card["step"], card["note"]) == (7, "made of ramps")
    assert card["network"] == {"upsampling": "bilinear"}
    image = torch.rand(1, 3, 32, 48)
    torch.testing.assert_close(loaded(image), network(image), atol=2e-4, rtol=1e-2)
    with pytest.raises(ValueError, match="would be overwritten"):
        convert(source, source)
