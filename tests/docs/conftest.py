"""A folder with everything that the pages' commands and Python name."""

import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fststyle.benchmarks import depth as benchmark_depth
from fststyle.checkpoints.depth import save_depth
from fststyle.checkpoints.pytorch_examples import _NAMES
from fststyle.checkpoints.style import save_transform
from fststyle.data import demo
from fststyle.networks.hourglass import HourglassDepth
from fststyle.networks.transform import TransformNet
from fststyle.networks.vgg import BLOCKS, CONVS, TORCHVISION_INDEX
from fststyle.utils.pretrained import shipped_styles
from tests.conftest import ROOT, picture, write_clip


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory, deep_vgg: Path) -> Path:
    """A folder with everything that the pages name."""
    folder = tmp_path_factory.mktemp("readme")
    for name in ("photos", "folder", "more", "unseen", "paintings", "frames", "depths", "others"):
        (folder / name).mkdir()
    for number in range(8):
        picture(number, 72, 64).save(folder / "photos" / f"{number}.jpg")
    for name in ("folder", "more", "unseen", "paintings", "frames"):
        for number in range(2):
            picture(number, 72, 64).save(folder / name / f"{name}{number}.png")
    for number in range(8):
        depth = picture(number, 72, 64).convert("L").resize((36, 32))
        depth.save(folder / "depths" / f"{number}.png")
    picture(9, 72, 64).save(folder / "photo.jpg")
    for name in ("painting", "a", "b"):
        picture(99, 80, 64).save(folder / f"{name}.jpg")
    for name in ("clip.mp4", "others/clip.mp4"):
        write_clip(folder / name, [0, 40, 80])
    shutil.copy(deep_vgg, folder / "vgg.safetensors")
    save_file(narrow_vgg(), folder / "narrow.safetensors")
    _write_networks(folder)
    _write_depth_data(folder)
    return folder


def narrow_vgg() -> dict[str, torch.Tensor]:
    """Random weights for VGG-19's layers to relu4_4, with few channels."""
    random = torch.Generator().manual_seed(0)
    channels, state = 3, dict[str, torch.Tensor]()
    for name in CONVS[: CONVS.index("4_4") + 1]:
        width = BLOCKS[int(name[0]) - 1][0] // 8
        weight = torch.randn(width, channels, 3, 3, generator=random)
        key = f"features.{TORCHVISION_INDEX[name]}"
        state[f"{key}.weight"] = weight * (2 / (9 * channels)) ** 0.5
        state[f"{key}.bias"] = torch.zeros(width)
        channels = width
    return state


def _write_networks(folder: Path) -> None:
    torch.manual_seed(0)
    network = TransformNet(4).eval()
    card = {"style": [{"name": "painting.jpg"}], "settings": {"method": "plain"}}
    for name in ("runs/my_style/my_style", "runs/a/a", "runs/b/b"):
        (folder / name).parent.mkdir(parents=True)
        save_transform(folder / f"{name}.safetensors", network, card)
    for name in ("runs/my_style/my_style", "runs/b/b"):
        shutil.copy(shipped_styles()["starry_night_live"], folder / f"{name}.onnx")
    old = {old: torch.zeros_like(network.state_dict()[ours]) for ours, old in _NAMES.items()}
    torch.save(old, folder / "candy.pth")
    (folder / "checkpoints").mkdir()
    for name in ("styles", "depth"):
        (folder / "checkpoints" / name).mkdir()
    live = "checkpoints/styles/starry_night_live.onnx"
    shutil.copy(ROOT / live, folder / live)
    hourglass = HourglassDepth().eval()
    for name in ("checkpoints/depth/hourglass", "hourglass", "runs/mine/mine"):
        (folder / name).parent.mkdir(exist_ok=True)
        save_depth(folder / f"{name}.safetensors", hourglass, {})


def _write_depth_data(folder: Path) -> None:
    with h5py.File(folder / "nyu_depth_v2_labeled.mat", "w") as file:
        random = np.random.default_rng(0)
        file["images"] = random.integers(0, 256, (4, 3, 64, 48), np.uint8)
        file["depths"] = random.uniform(1, 9, (4, 64, 48)).astype(np.float32)
    for kind in ("image", "depth"):
        (folder / "kitti" / kind).mkdir(parents=True)
        picture(3, 72, 64).convert("L" if kind == "depth" else "RGB").save(
            folder / "kitti" / kind / "a.png"
        )
    (folder / "diw").mkdir()
    picture(4, 72, 64).save(folder / "diw" / "p.png")
    (folder / "diw" / "DIW_test.csv").write_text("p.png\n1,2,30,40,<\n")


@pytest.fixture
def here(files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same folder, to be written to, and the working directory."""
    folder = tmp_path / "here"
    shutil.copytree(files, folder, copy_function=os.link)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("FSTSTYLE_ASSETS", "")
    monkeypatch.setattr(demo, "SCENES", 1)
    monkeypatch.setattr(benchmark_depth, "SAMPLED", (1, 32, 48))
    return folder
