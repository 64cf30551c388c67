import json
import runpy
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from fststyle.checkpoints import DEPTH, load
from fststyle.depth.estimator import estimate_full_size, training_size
from fststyle.depth.opening import open_estimator
from fststyle.depth.torch_estimator import estimator
from fststyle.losses.depth import at_area
from fststyle.networks import transformers_depth
from fststyle.networks.transformers_depth import (
    TransformersDepth,
    load_transformers_depth,
    predicts_inverse,
)
from tests.conftest import picture

transformers = pytest.importorskip("transformers", reason="transformers is not installed")

MEAN, STD = [0.5, 0.4, 0.3], [0.3, 0.2, 0.1]
NECK = {"neck_hidden_sizes": [8] * 4, "fusion_hidden_size": 16}


def dinov2() -> object:
    return transformers.Dinov2Config(
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        image_size=28,
        patch_size=14,
        out_indices=[1, 2, 3, 4],
        reshape_hidden_states=False,
    )


def depth_anything(kind: str = "relative") -> Any:
    """Random weights; large ones and a bias, so that no ReLU leaves a flat picture of zeros."""
    torch.manual_seed(0)
    config = transformers.DepthAnythingConfig(
        backbone_config=dinov2(),
        reassemble_hidden_size=32,
        head_hidden_size=8,
        initializer_range=0.2,
        depth_estimation_type=kind,
        max_depth=1 if kind == "relative" else 20,
        **NECK,
    )
    model = transformers.DepthAnythingForDepthEstimation(config).eval()
    with torch.no_grad():
        model.head.conv3.bias.fill_(1.0)
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("depth_anything")
    depth_anything().save_pretrained(path)
    processor = {"image_processor_type": "DPTImageProcessor", "do_normalize": True}
    processor |= {"image_mean": MEAN, "image_std": STD}
    (path / "preprocessor_config.json").write_text(json.dumps(processor))
    return path


@pytest.fixture(scope="module")
def depth(folder: Path) -> TransformersDepth:
    return load_transformers_depth(str(folder), size=28)


def test_its_depth_is_the_models_turned(folder: Path, depth: TransformersDepth) -> None:
    """At a size that is neither resized before nor after; mean and std are the folder's."""
    image = torch.rand(2, 3, 28, 42)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    model = transformers.AutoModelForDepthEstimation.from_pretrained(folder)
    with torch.no_grad():
        theirs = model((image - mean) / std).predicted_depth[:, None]
    assert theirs.std() > 0.01
    torch.testing.assert_close(depth(image), -theirs, rtol=1e-4, atol=1e-4)
    as_it_is = load_transformers_depth(str(folder), size=28, inverse=False)
    torch.testing.assert_close(as_it_is(image), theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [(61, 47), (29, 101), (14, 14), (5, 3)])
def test_any_size_comes_back(depth: TransformersDepth, size: tuple[int, int]) -> None:
    for image in (torch.rand(2, 3, *size), torch.zeros(1, 3, *size), torch.ones(1, 3, *size)):
        found = depth(image)
        assert found.shape == (len(image), 1, *size) and found.dtype == torch.float32
        assert found.isfinite().all() and found.max() <= 0


def test_the_model_sees_whole_patches_near_the_asked_size() -> None:
    adapter = TransformersDepth(depth_anything(), size=518)
    assert adapter.input_size(480, 640) == (518, 686)
    assert adapter.input_size(2000, 1000) == (1036, 518)
    adapter.size = 3
    assert adapter.input_size(10, 50) == (14, 14)


def test_photos_reach_the_model_at_its_own_size(folder: Path, tmp_path: Path) -> None:
    """Its preprocessor's; without one, its configuration's. Nothing is reduced further before."""
    for file in folder.iterdir():
        shutil.copy(file, tmp_path)
    preprocessor = tmp_path / "preprocessor_config.json"
    settings = json.loads(preprocessor.read_text())
    photo = picture(0, 1280, 720)
    for size, expected in (
        ({"height": 420, "width": 420}, (420, 742)),
        ({"shortest_edge": 392}, (392, 700)),
        (None, (28, 56)),  # as ``dinov2`` says
    ):
        preprocessor.write_text(json.dumps({**settings, "size": size}))
        if size is None:
            preprocessor.unlink()
        depth = open_estimator(f"transformers:{tmp_path}", device="cpu")
        seen: list[tuple[int, ...]] = []
        model = load(f"transformers:{tmp_path}", DEPTH)
        assert model.source == tmp_path.name
        network: Any = model.network
        network.model.register_forward_pre_hook(
            lambda _, __, given, seen=seen: seen.append(tuple(given["pixel_values"].shape[-2:])),
            with_kwargs=True,
        )
        run = estimator(network, torch.device("cpu"))
        assert estimate_full_size(run, photo, depth.card).shape == (720, 1280)
        at_area(network, training_size(depth.card))(torch.rand(1, 3, 720, 1280))
        assert seen == [expected, expected]


def test_gradient_reaches_the_image_alone(depth: TransformersDepth) -> None:
    image = torch.rand(1, 3, 151, 117, requires_grad=True)
    depth(image).square().sum().backward()
    assert image.grad is not None and image.grad.isfinite().all()
    # Every pixel counts, although the model sees the image at a quarter of its size.
    assert (image.grad.abs().amax(1) > 0).float().mean() > 0.99
    assert all(p.grad is None and not p.requires_grad for p in depth.parameters())


def test_gradient_is_that_of_the_depth() -> None:
    adapter = TransformersDepth(depth_anything(), size=14).double()
    image = torch.rand(1, 3, 20, 20, dtype=torch.double, requires_grad=True)
    direction = torch.randn_like(image)
    (gradient,) = torch.autograd.grad(adapter(image).sum(), image)
    step = 1e-6 * direction
    difference = (adapter(image + step) - adapter(image - step)).sum() / 2e-6
    torch.testing.assert_close((gradient * direction).sum(), difference, rtol=1e-4, atol=1e-6)


def test_it_stays_frozen(depth: TransformersDepth) -> None:
    depth.train()
    assert not any(module.training for module in depth.modules())
    assert not any(parameter.requires_grad for parameter in depth.parameters())


def test_metric_depth_is_not_turned(tmp_path: Path) -> None:
    """Nor is it normalised by anything but ImageNet's mean and std where the folder has none."""
    model = depth_anything("metric")
    model.save_pretrained(tmp_path)
    image = torch.rand(1, 3, 28, 28)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    std = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    with torch.no_grad():
        theirs = model((image - mean) / std).predicted_depth[:, None]
    found = load_transformers_depth(str(tmp_path), size=28)(image)
    assert found.min() > 0
    torch.testing.assert_close(found, theirs, rtol=1e-4, atol=1e-4)


def other_models() -> dict[str, Any]:
    small = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2}
    vit = transformers.DPTConfig(
        **small, **NECK, intermediate_size=64, image_size=64, backbone_out_indices=[0, 1, 2, 3]
    )
    glpn = transformers.GLPNConfig(
        hidden_sizes=[8, 8, 16, 16], decoder_hidden_size=8, num_attention_heads=[1, 1, 2, 2]
    )
    return {
        "dpt": transformers.DPTForDepthEstimation(vit),
        "glpn": transformers.GLPNForDepthEstimation(glpn),
    }


@pytest.mark.parametrize(("kind", "inverse"), [("dpt", True), ("glpn", False)])
def test_other_kinds_of_model(kind: str, inverse: bool) -> None:
    adapter = TransformersDepth(other_models()[kind], size=64)
    assert adapter.inverse is inverse
    assert adapter(torch.rand(2, 3, 37, 91)).shape == (2, 1, 37, 91)
    assert adapter.input_size(64, 128) == ((64, 64) if kind == "dpt" else (64, 128))


def test_a_preprocessor_that_does_not_normalise_is_followed(tmp_path: Path) -> None:
    other_models()["glpn"].save_pretrained(tmp_path)
    processor = {"image_processor_type": "GLPNImageProcessor", "size_divisor": 32}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(processor))
    loaded = load_transformers_depth(str(tmp_path))
    assert loaded.mean.flatten().tolist() == [0, 0, 0] and loaded.std.flatten().tolist() == [1] * 3


def test_a_dpt_on_dinov2_is_metric() -> None:
    assert not predicts_inverse(transformers.DPTConfig(backbone_config=dinov2(), is_hybrid=False))


def test_an_unknown_kind_is_refused_unless_told() -> None:
    model = depth_anything()
    model.config.model_type = "depth_oracle"
    with pytest.raises(ValueError, match="'depth_oracle' is not known .*inverse=True"):
        TransformersDepth(model)
    assert TransformersDepth(model, inverse=True).inverse
    with pytest.raises(ValueError, match="expected at least 1, found 0"):
        TransformersDepth(depth_anything(), size=0)


def test_weights_are_kept_in_float32(tmp_path: Path) -> None:
    depth_anything().half().save_pretrained(tmp_path)
    loaded = load_transformers_depth(str(tmp_path), size=28)
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}


def test_what_cannot_be_loaded_is_said_in_a_line(folder: Path, tmp_path: Path) -> None:
    def refused(name: Path, match: str) -> None:
        with pytest.raises(ValueError, match=match) as error:
            load_transformers_depth(str(name))
        assert str(error.value).startswith(f"{name}: ") and "\n" not in str(error.value)

    refused(tmp_path / "missing", "expected a folder with config.json and model.safetensors")
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config))
    torch.save(depth_anything().state_dict(), tmp_path / "pytorch_model.bin")
    refused(tmp_path, "model.safetensors")  # pickles are not read
    (tmp_path / "model.safetensors").write_bytes(b"no tensors")
    refused(tmp_path, "no depth model can be loaded")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    refused(tmp_path, "no depth model can be loaded")
    (tmp_path / "config.json").write_text("{")
    refused(tmp_path, "no depth model can be loaded")


def test_a_model_without_its_head_is_refused(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    state = load_file(folder / "model.safetensors")
    unused = [k for k in state if k.startswith("neck.fusion_stage.layers.0.residual_layer1.")]
    assert unused
    for key in [*unused, "backbone.embeddings.mask_token"]:
        state.pop(key, None)
    save_file(state, tmp_path / "model.safetensors", {"format": "pt"})
    load_transformers_depth(str(tmp_path))  # lacks only what is never used
    del state["head.conv1.weight"]
    save_file(state, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=r"lacks 1 of .*head\.conv1\.weight"):
        load_transformers_depth(str(tmp_path))


def test_without_transformers_only_loading_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    runpy.run_path(transformers_depth.__file__)  # importing the adapter needs none
    with pytest.raises(ValueError, match=r"pip install '.\[transformers\]'") as error:
        load_transformers_depth("some/model")
    assert "\n" not in str(error.value)
