from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torchvision.models.vgg import cfgs, make_layers

from fststyle.checkpoints import LOSS, load
from fststyle.checkpoints.foreign_files import read_tensors
from fststyle.checkpoints.vgg import _download
from fststyle.networks.calibration import calibrate, calibration_images
from fststyle.networks.vgg import CONVS, TORCHVISION_INDEX, VGG19Features, check_layers

pytestmark = pytest.mark.numerical

State = dict[str, torch.Tensor]


def test_layers_are_torchvisions() -> None:
    torch.manual_seed(0)
    theirs = make_layers(cfgs["E"])
    state = {f"features.{k}": v for k, v in theirs.state_dict().items()}
    layers = ["conv1_1", "relu2_2", "conv3_4", "relu4_3", "relu5_4"]
    image = torch.rand(1, 3, 37, 50)
    found = VGG19Features(state, layers)(image, layers)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
    x = (image - mean) / torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
    for index, layer in enumerate(theirs):
        x = layer(x.clone())  # theirs are in place
        for name in layers:
            if index == TORCHVISION_INDEX[name[4:]] + (name[:4] == "relu"):
                torch.testing.assert_close(found.pop(name), x)
    assert not found


def test_mirrored_maps_are_those_inside_a_mirrored_picture(vgg_state: State) -> None:
    """Up to the second block's first convolution as if the picture's mirror image lay around it;
    small maps and layers in the middle of a block, too, have their size."""
    zeros, mirrored = (VGG19Features(vgg_state, ["relu2_2"]) for _ in range(2))
    image = torch.rand(2, 3, 37, 50)
    found = mirrored.mirror()(image, ["conv1_1", "relu1_2", "conv2_1", "relu2_2"])
    framed = zeros(F.pad(image, (16,) * 4, mode="reflect"), ["conv1_1", "relu1_2"])
    for layer, maps in framed.items():
        torch.testing.assert_close(found[layer], maps[..., 16:-16, 16:-16])
    # Their border shows nothing of itself: one colour gives one vector.
    plain = mirrored(torch.full((1, 3, 18, 20), 0.3), ["conv2_1", "relu2_2"])
    for layer, maps in plain.items():
        assert found[layer].shape[-2:] == (18, 25)
        torch.testing.assert_close(maps, maps[..., :1, :1].expand_as(maps))
    assert mirrored(torch.rand(1, 3, 4, 5), ["relu2_2"])["relu2_2"].isfinite().all()


def test_it_is_cut_after_the_deepest_layer(vgg_state: State) -> None:
    extractor = VGG19Features(vgg_state, ["relu1_2", "conv2_1"])
    assert list(extractor.convs) == ["1_1", "1_2", "2_1"]
    with pytest.raises(ValueError, match="cut before relu2_2"):
        extractor(torch.rand(1, 3, 16, 16), ["relu2_2", "relu1_1", "relu2_1"])


def test_it_stays_frozen(vgg_state: State) -> None:
    extractor = VGG19Features(vgg_state, ["relu2_2"]).train()
    assert not any(module.training for module in extractor.modules())
    assert not any(parameter.requires_grad for parameter in extractor.parameters())


def test_calibration_makes_every_mean_activation_one(vgg_state: State) -> None:
    plain, scaled = (VGG19Features(vgg_state, ["relu2_2"]) for _ in range(2))
    calibrate(scaled)
    images = calibration_images()
    for name, mean in scaled.mean_activations(images).items():
        assert mean == pytest.approx(1, rel=1e-4), name
    before, after = (e(images, ["relu2_2"])["relu2_2"] for e in (plain, scaled))
    torch.testing.assert_close(after * before.mean(), before, rtol=1e-3, atol=1e-3)


@pytest.mark.assets
def test_calibration_holds_on_photos(assets: Path) -> None:
    from fststyle.data.photos import validation_images
    from fststyle.images.find import find_images

    extractor = load("vgg19", LOSS).network.cut(["relu4_3"])
    calibrate(extractor)
    images = validation_images(find_images(assets / "photos/val"), (192, 192), 16).images / 255
    for name, mean in extractor.mean_activations(images).items():
        assert 0.8 < mean < 1.25, f"relu{name}: {mean}"


def test_calibration_images_are_the_same_everywhere() -> None:
    images = calibration_images(2, 64)
    assert images.mean().item() == pytest.approx(0.40979, abs=1e-4)
    assert torch.equal(images, calibration_images(3, 64)[:2])


def test_bad_weights_and_layers_are_named(vgg_state: State) -> None:
    with pytest.raises(ValueError, match="lack 'features.10.weight'"):
        VGG19Features(vgg_state, ["relu3_1"])
    with pytest.raises(ValueError, match=r"'features.5.bias' should be \(128,\), found \(3,\)"):
        VGG19Features({**vgg_state, "features.5.bias": torch.zeros(3)}, ["relu2_1"])
    with pytest.raises(ValueError, match="no layer 'relu6_1'"):
        check_layers(["relu1_1", "relu6_1"])
    assert len(CONVS) == 16


def test_weights_come_from_the_first_place_that_has_them(
    vgg_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torchvision

    def no_network(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torchvision.models._api, "load_state_dict_from_url", no_network)
    (tmp_path / "weights").mkdir()
    asset = tmp_path / "weights/vgg19_features.safetensors"
    asset.write_bytes(vgg_file.read_bytes())
    monkeypatch.setenv("FSTSTYLE_ASSETS", str(tmp_path))
    assert load("vgg19", vgg_weights=vgg_file).source == vgg_file.name, "without its folder"
    assert load("vgg19").source == "weights/vgg19_features.safetensors"
    asset.unlink()
    with pytest.raises(FileNotFoundError, match="--vgg-weights FILE") as error:
        load("vgg19")
    assert "\n" not in str(error.value)


def test_torchvisions_own_cache_is_used(
    vgg_state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its real loading code runs, on a file in its cache; only the check of the hash is off."""
    import torch.hub
    from torchvision.models import VGG19_Weights

    monkeypatch.delenv("FSTSTYLE_ASSETS", raising=False)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    cached = tmp_path / "checkpoints" / Path(VGG19_Weights.IMAGENET1K_V1.url).name
    torch.save(vgg_state, cached)
    _download.cache_clear()
    vgg19 = load("vgg19", LOSS)
    _download.cache_clear()
    assert vgg19.source.startswith("torchvision")
    for name, tensor in vgg19.network.torchvision_state().items():
        assert torch.equal(tensor, vgg_state[name])


def test_no_pickled_code_is_run(tmp_path: Path) -> None:
    class Attack:
        def __reduce__(self) -> tuple[Any, tuple[Path]]:
            return (Path.touch, (tmp_path / "executed",))

    torch.save({"features.0.weight": Attack()}, tmp_path / "evil.pth")
    with pytest.raises(ValueError, match="could run code"):
        read_tensors(tmp_path / "evil.pth")
    assert not (tmp_path / "executed").exists()
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(ValueError, match="expected a state dict"):
        read_tensors(tmp_path / "list.pth")
