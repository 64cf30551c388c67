"""Depth networks as the product sees them: files, kinds, the VGG-19 a head reads."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from fststyle.checkpoints import DEPTH, load
from fststyle.checkpoints.depth import (
    best_depth,
    depth_extractor,
    fold_output,
    new_fast,
    save_depth,
)
from fststyle.checkpoints.files import load_tensors, save_tensors, weights_id
from fststyle.config import DepthEvalConfig
from fststyle.data.depth.datasets import open_depth
from fststyle.evaluation.depth_metrics import evaluate
from fststyle.losses.depth import at_area, for_loss
from fststyle.networks.depth_head import LAYERS, VGGDepth, VGGDepthHead
from fststyle.networks.hourglass import HourglassDepth
from tests.conftest import depth_vgg_state

pytestmark = pytest.mark.numerical


@pytest.fixture(scope="module")
def head_file(tmp_path_factory: pytest.TempPathFactory, deep_vgg: Path) -> Path:
    torch.manual_seed(0)
    _, loss_network = depth_extractor(deep_vgg)
    path = tmp_path_factory.mktemp("head") / "head.safetensors"
    save_depth(path, VGGDepthHead(), {"loss_network": loss_network})
    return path


def test_a_hourglass_comes_back_as_it_was(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, image = HourglassDepth().eval(), torch.rand(1, 3, 32, 48)
    save_depth(tmp_path / "h.safetensors", network, {"step": 3})
    model = load(tmp_path / "h.safetensors", DEPTH)
    loaded, card = model.network, model.card
    assert card["kind"] == "hourglass" and card["step"] == 3
    torch.testing.assert_close(loaded(image), network(image))
    assert not any(p.requires_grad for p in loaded.parameters()) and not loaded.training


def test_a_fast_network_comes_back_as_it_was(tmp_path: Path) -> None:
    network, image = new_fast().eval(), torch.rand(1, 3, 48, 80)
    save_depth(tmp_path / "f.safetensors", network, {})
    loaded = load(tmp_path / "f.safetensors", DEPTH).network
    torch.testing.assert_close(loaded(image), network(image))
    assert not any(p.requires_grad for p in loaded.parameters()) and not loaded.training
    # A loss that has VGG-19's features has not those that it reads.
    whole = for_loss(loaded, 64, torch.float32, 64)
    assert not isinstance(whole, VGGDepthHead)
    torch.testing.assert_close(whole(image), at_area(network, 64)(image), rtol=1e-3, atol=1e-3)
    tensors, card = load_tensors(tmp_path / "f.safetensors")
    save_tensors(
        tmp_path / "g.safetensors", {n: t for n, t in tensors.items() if "4_3" not in n}, card
    )
    with pytest.raises(ValueError, match=r"g.safetensors: .*lack"):
        load(tmp_path / "g.safetensors", DEPTH)


def test_a_head_of_more_blocks_comes_back(deep_vgg: Path, tmp_path: Path) -> None:
    _, loss_network = depth_extractor(deep_vgg)
    head = VGGDepthHead(blocks=2).eval()
    save_depth(tmp_path / "h.safetensors", head, {"loss_network": loss_network})
    loaded = load(tmp_path / "h.safetensors", DEPTH, vgg_weights=deep_vgg).network
    assert isinstance(loaded, VGGDepth)
    for name, tensor in head.state_dict().items():
        torch.testing.assert_close(loaded.head.state_dict()[name], tensor)


def test_a_head_reads_the_objectives_features_unless_pictures_are_large(
    head_file: Path, deep_vgg: Path
) -> None:
    network = load(head_file, DEPTH, vgg_weights=deep_vgg).network
    assert isinstance(for_loss(network, 64, torch.float32, 96), VGGDepthHead)
    whole = for_loss(network, 64, torch.float32, 97)
    assert not isinstance(whole, VGGDepthHead)
    image = torch.rand(1, 3, 96, 128)
    expected = at_area(network, 64)(image)
    torch.testing.assert_close(whole(image), expected, rtol=1e-3, atol=1e-3)


def test_half_precision_halves_the_file_and_hardly_changes_depth(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, image = HourglassDepth().eval(), torch.rand(1, 3, 32, 48)
    save_depth(tmp_path / "h.safetensors", network, {}, half=True)
    assert (tmp_path / "h.safetensors").stat().st_size < 11.2e6
    loaded = load(tmp_path / "h.safetensors", DEPTH).network
    expected = network(image)
    difference = (loaded(image) - expected).abs().max() / expected.std()
    assert next(loaded.parameters()).dtype == torch.float32 and difference < 0.02
    with safe_open(tmp_path / "h.safetensors", framework="pt") as file:
        assert file.get_tensor("out.weight").dtype == torch.float16
        assert file.get_tensor("stem.norm.running_var").dtype == torch.float32
    with torch.no_grad():
        network.out.weight[0, 0, 0, 0] = 1e6
    with pytest.raises(ValueError, match="'out.weight' does not fit float16"):
        save_depth(tmp_path / "h.safetensors", network, {}, half=True)


def test_a_head_comes_with_its_vgg_and_is_differentiable(head_file: Path, deep_vgg: Path) -> None:
    network = load(head_file, DEPTH, vgg_weights=deep_vgg).network
    assert isinstance(network, VGGDepth)
    image = torch.rand(1, 3, 40, 56, requires_grad=True)
    depth = network(image)
    assert depth.shape == (1, 1, 40, 56)
    depth.sum().backward()
    assert image.grad is not None and image.grad.abs().sum() > 0


def test_a_head_refuses_features_of_another_vgg(head_file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    save_file(depth_vgg_state(seed=1), other)
    with pytest.raises(ValueError, match="reads the features of other VGG-19 weights"):
        load(head_file, DEPTH, vgg_weights=other)


def test_the_same_vgg_at_half_precision_is_the_same() -> None:
    state = depth_vgg_state(seed=0)
    assert weights_id({n: t.half() for n, t in state.items()}) == weights_id(state)
    assert weights_id(depth_vgg_state(seed=1)) != weights_id(state)


def test_the_output_is_scaled_in_the_last_layer() -> None:
    torch.manual_seed(0)
    network, image = HourglassDepth().eval(), torch.rand(1, 3, 32, 32)
    before = network(image)
    fold_output(network, 2.0, -0.5)
    torch.testing.assert_close(network(image), 2 * before - 0.5)


def test_what_ships_is_what_can_run(monkeypatch: pytest.MonkeyPatch, deep_vgg: Path) -> None:
    monkeypatch.delenv("FSTSTYLE_ASSETS", raising=False)
    model = load(best_depth(), DEPTH)
    network, card = model.network, model.card
    with torch.no_grad():
        depth = network(torch.rand(1, 3, 50, 70))
    assert depth.shape == (1, 1, 50, 70) and depth.std() > 0.1 and card["note"]
    assert card["kind"] == "fast" and card["id"].startswith("fast-")
    # Other VGG-19 weights than the head's: the fast one again.
    assert load(best_depth(deep_vgg), DEPTH, vgg_weights=deep_vgg).card["id"] == card["id"]


@pytest.mark.parametrize("kind", ["head", "hourglass"])
def test_a_loss_gets_the_same_depth_in_fewer_passes(kind: str, deep_vgg: Path) -> None:
    torch.manual_seed(0)
    extractor, _ = depth_extractor(deep_vgg)
    network = VGGDepth(extractor, VGGDepthHead()) if kind == "head" else HourglassDepth()
    for module in network.modules():  # batch norms as after a training
        if isinstance(module, torch.nn.BatchNorm2d):
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    network.eval().requires_grad_(False)
    image = torch.rand(1, 3, 64, 48)
    frozen = for_loss(network, 1000, torch.float32)
    if kind == "head":
        assert isinstance(frozen, torch.nn.Module)
        assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in frozen.modules())
        found = frozen(extractor(image, LAYERS))
    else:
        found = frozen(image)
    expected = network(image)
    torch.testing.assert_close(found, expected, atol=1e-4 * expected.std().item(), rtol=1e-4)


def test_a_head_reads_features_of_another_scale_when_told() -> None:
    torch.manual_seed(0)
    sizes = {"relu1_2": 64, "relu2_2": 128, "relu3_3": 256, "relu4_3": 512}
    maps = {name: torch.rand(1, c, 64 >> i, 64 >> i) for i, (name, c) in enumerate(sizes.items())}
    head = VGGDepthHead().eval()
    expected = head(maps)
    factors = {"relu1_2": 3.0, "relu2_2": 0.5, "relu3_3": 20.0, "relu4_3": 7.0}
    head.divide_inputs(factors)
    found = head({name: factors[name] * map_ for name, map_ in maps.items()})
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.assets
def test_the_shipped_head_knows_near_from_far(assets: Path) -> None:
    """Photographs that neither network has seen; what is asked is far below what is measured."""
    data = open_depth(f"wild={assets / 'depth/wild_val'}@:6")
    config = DepthEvalConfig(checkpoints=(), data=(), size="96x128", pairs=1000)
    pictures = [data.read(item) for item in data.items]
    network = load(best_depth(), DEPTH).network
    found = evaluate(network, pictures, config, torch.device("cpu"), "fp32", metric=False)
    assert found["accuracy"] > 0.75
    depths = [
        network(torch.from_numpy(np.array(p.image)).permute(2, 0, 1)[None] / 255) for p in pictures
    ]
    assert 0.3 < torch.stack([d.std() for d in depths]).mean() < 2


def test_other_files_are_told_apart(tmp_path: Path) -> None:
    save_tensors(tmp_path / "t.safetensors", {"a": torch.zeros(1)}, {"kind": "transform"})
    with pytest.raises(ValueError, match="holds a 'transform', not a depth network"):
        load(tmp_path / "t.safetensors", DEPTH)
    save_tensors(tmp_path / "h.safetensors", {"a": torch.zeros(1)}, {"kind": "hourglass"})
    with pytest.raises(ValueError, match="h.safetensors: tensor '.*' is missing"):
        load(tmp_path / "h.safetensors", DEPTH)


def test_a_network_sees_its_own_size_and_gives_the_images() -> None:
    seen = []

    class Sum(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            seen.append(tuple(image.shape[-2:]))
            return image.sum(1, keepdim=True)

    image = torch.full((1, 3, 200, 400), 0.25, requires_grad=True)
    depth = at_area(Sum(), 100)(image)
    assert seen == [(64, 144)] and depth.shape == (1, 1, 200, 400)
    torch.testing.assert_close(depth, torch.full_like(depth, 0.75))
    depth.sum().backward()
    assert image.grad is not None and (image.grad > 0).all()
    at_area(Sum(), 1000)(image)
    assert seen[1] == (192, 400), "nothing is enlarged but to the nearest multiple of 16"
