"""Every command in the README, as it stands there, on small files of the names it uses."""

import glob
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from conftest import ROOT, picture, write_clip
from safetensors.torch import save_file
from test_depth_convert import as_torch7, published
from torch7_writer import write_torch7

from fststyle import benchmark_depth
from fststyle.__main__ import COMMANDS, main
from fststyle.checkpoint import _NAMES, save_tensors, save_transform
from fststyle.data import demo
from fststyle.depth_network import save_depth
from fststyle.networks.hourglass import HourglassDepth
from fststyle.networks.transform import TransformNet
from fststyle.networks.vgg import BLOCKS, CONVS, TORCHVISION_INDEX
from fststyle.shipped import shipped_styles

README = (ROOT / "README.md").read_text()


def blocks() -> list[str]:
    """The fenced blocks, and every command in the text as one of its own."""
    fenced = re.findall(r"^```\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    inline = re.findall(r"`((?:python3?|sh|make|pip|torchrun|tensorboard) [^`]*)`", README)
    return [*fenced, *dict.fromkeys(inline)]


def commands(block: str) -> list[str]:
    """Without comments."""
    lines = block.replace("\\\n", " ").replace(".venv/bin/", "").splitlines()
    return [shlex.join(words) for line in lines if (words := shlex.split(line, comments=True))]


def is_ours(command: str) -> bool:
    return bool(re.match(r"python (-m fststyle|train.py|export.py|infer.py) ", command))


OURS = [block for block in blocks() if any(map(is_ours, commands(block)))]
SMALL = {
    "train": "--steps 1 --image-size 64 --width 4 --batch-size 1 --style-size 48 --workers 0"
    " --vgg-weights narrow.safetensors --depth-cache cache --device cpu",
    "infer": "--provider cpu",
    "export": "--overwrite",
    "depth convert": "--overwrite",
    "publish": "--output styles",
    "optimize": "--steps 1 --size 40 --style-size 48 --vgg-weights narrow.safetensors --device cpu",
    "evaluate": "--size 64 --style-size 48 --style painting.jpg --vgg-weights narrow.safetensors",
    "compare": "--height 48 --stylize-height 48",
    "loss train": "--widths 4 6 8 10 --image-size 64 --pictures 2 --samples 500"
    " --vgg-weights narrow.safetensors",
    "depth train": "--size 32x48 --steps 1 --batch-size 2 --pairs 100 --distance 10 --workers 0"
    " --vgg-weights vgg.safetensors --device cpu",
    "depth eval": "--size 64x96 --pairs 100 --vgg-weights vgg.safetensors --device cpu",
    "bench train": "--image-size 32 --batch-size 1 --width 4 --repeats 1"
    " --vgg-weights narrow.safetensors",
    "bench infer": "--width 4 --size 64x48 --repeats 1 --provider cpu",
    "bench video": "--width 4 --provider cpu",
    "bench depth": "--image-size 48 --batch-size 1 --repeats 1 --vgg-weights vgg.safetensors",
    "bench optimize": "--size 48x48 --steps 10 --vgg-weights narrow.safetensors",
}
"""What makes a command's work small; options given later count."""
ELSEWHERE = {
    "camera:0": "test_live.py",
    "rtsp:": "test_live.py",
    "transformers:": "test_transformers_depth.py",
    "--resume": "test_train_command.py",
}
"""What here is no camera, no stream, no network connection and no run for: only parsed."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, deep_vgg: Path) -> Path:
    """A folder with everything that the README's commands name."""
    folder = tmp_path_factory.mktemp("readme")
    for name in ("photos", "folder", "more", "unseen", "paintings", "frames", "depths"):
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
    picture(99, 80, 64).save(folder / "painting.jpg")
    write_clip(folder / "clip.mp4", [0, 40, 80])
    shutil.copy(deep_vgg, folder / "vgg.safetensors")
    save_file(_narrow_vgg(), folder / "narrow.safetensors")
    _write_networks(folder)
    _write_depth_data(folder)
    return folder


def _narrow_vgg() -> dict[str, torch.Tensor]:
    """Random weights for VGG-19's layers to relu4_4, with few channels."""
    random = torch.Generator().manual_seed(0)
    channels, state = 3, {}
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
    # Of the width of the one that ships.
    save_transform(folder / "checkpoints/styles/starry_night.safetensors", TransformNet(32), card)
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


def arguments(command: str) -> list[str]:
    """Those of ``main``, with globs as a shell expands them."""
    words = shlex.split(command)
    words = words[next(i for i, word in enumerate(words) if "python" in word) + 1 :]
    words = words[2:] if words[0] == "-m" else [words[0].removesuffix(".py"), *words[1:]]
    found = []
    for word in words:
        found += sorted(glob.glob(word)) if "*" in word and words[0] != "infer" else [word]
    return found


@pytest.mark.parametrize("block", OURS, ids=lambda block: commands(block)[0][:60])
def test_commands_run(
    block: str,
    files: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "here"
    shutil.copytree(files, folder, copy_function=os.link)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("FSTSTYLE_ASSETS", "")
    monkeypatch.setattr(demo, "SCENES", 1)
    monkeypatch.setattr(benchmark_depth, "SAMPLED", (1, 32, 48))
    for command in filter(is_ours, commands(block)):
        prepare(command)
        words = arguments(command.replace("1200", "2").replace("1280x720", "64x48"))
        name = next(n for n in (" ".join(words[:2]), words[0]) if n in _names())
        if any(sign in command for sign in ELSEWHERE) or "--help" in words:
            words.append("--help")
        elif "--list" not in words:
            words += shlex.split(SMALL.get(name, ""))
        try:
            status = main(words)
        except SystemExit as exit:
            status = int(exit.code or 0)
        assert status == 0, (command, capsys.readouterr().err)


def prepare(command: str) -> None:
    """What a command needs of others that stand elsewhere in the README."""
    if "mine.safetensors" in command and "--loss-network" in command:
        save_tensors(Path("mine.safetensors"), _narrow_vgg(), {"kind": "loss_network"})
    if "model.t7" in command:
        write_torch7(Path("model.t7"), as_torch7(published()))
    if "pictures" in command and "--record" not in command:
        optimized = shlex.split(
            f"optimize photos/ --style painting.jpg --record {SMALL['optimize']}"
        )
        for name in ("pictures", "pictures_plain", "pictures_combined"):
            if name in command:
                main([*optimized, "--method", "plain", "--output", name])


def _names() -> list[str]:
    return [
        f"{name} {below}" if below else name
        for name, command in COMMANDS.items()
        for below in (command if isinstance(command, dict) else ("",))
    ]


def test_the_other_commands_are_known() -> None:
    others = [c for block in blocks() for c in commands(block) if not is_ours(c)]
    in_ci = {"python3 -m venv .venv", "python -m pytest"}  # what make test does
    for command in others:
        program, *rest = shlex.split(command)
        if program == "make":
            done = subprocess.run(["make", "-n", *rest], cwd=ROOT, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
        elif program == "sh":
            subprocess.run(["sh", "-n", *rest], cwd=ROOT, check=True)
        elif program.endswith("pip"):
            extras = re.findall(r"\[(\w+)\]", command)
            project = (ROOT / "pyproject.toml").read_text()
            assert all(f"\n{extra} = [" in project for extra in extras)
        else:
            assert command in in_ci or program in ("torchrun", "tensorboard"), command
