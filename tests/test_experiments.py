import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fststyle.__main__ import COMMANDS, _parser
from fststyle.checkpoints import STYLE, load
from fststyle.checkpoints.style import save_transform
from fststyle.networks.transform import TransformNet
from tests.conftest import ROOT, picture, write_clip


@pytest.mark.assets
def test_all_that_waits_for_a_gpu_runs_in_miniature(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "experiments/cuda_check.py", tmp_path],
        env={**os.environ, "PROVIDER": "cpu", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    ended = [line.split()[0] for line in done.stdout.splitlines() if " s  " in line]
    assert ended.count("ok") == len(ended) > 20
    for made in (
        "settings.json",
        "infer.json",
        "styles/starry_night/figures.json",
        "published/starry_night.onnx",
    ):
        assert (tmp_path / made).stat().st_size > 100
    assert (tmp_path / "depth/figures.json").stat().st_size > 100


def test_the_steadiness_of_depth_is_measured(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    write_clip(clip, [0, 40, 80], size=(160, 128))
    done = subprocess.run(
        [
            *(sys.executable, ROOT / "experiments/depth_video.py", clip, "--network", "fast"),
            *("--json", tmp_path / "figures.json"),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "| clip |" in done.stdout
    assert "clip" in (tmp_path / "figures.json").read_text()


def test_how_far_a_map_of_the_sky_moves_what_is_near(tmp_path: Path) -> None:
    picture(2, 96, 64).save(tmp_path / "photo.png")
    done = subprocess.run(
        [
            *(sys.executable, ROOT / "experiments/locality.py", "great_wave_live"),
            *("--photos", tmp_path, "--side", "64", "--json", tmp_path / "figures.json"),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    moved = json.loads((tmp_path / "figures.json").read_text())["moved"]["great_wave_live"]
    assert 0 < moved["near"] < moved["far"] < 255


def test_weights_are_mixed(tmp_path: Path) -> None:
    networks = [TransformNet(4, mapped=True) for _ in range(3)]
    files = [tmp_path / f"{name}.safetensors" for name in "abc"]
    for file, network in zip(files, networks, strict=True):
        save_transform(file, network, {"step": len(file.name)})
    output = tmp_path / "on.safetensors"
    parts = ["1", str(files[2]), "0.5", str(files[1]), "-0.5", str(files[0])]
    for mixture, status in ((parts, 0), (parts[:4], 2), (parts, 2)):  # the last is there already
        done = subprocess.run(
            [sys.executable, ROOT / "experiments/mix_weights.py", output, *mixture],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == status, done.stderr[-3000:]
    mixed = load(output, STYLE)
    first, second, third = (network.down2.conv.weight for network in networks)
    assert mixed.card["step"] == len(files[2].name)
    torch.testing.assert_close(mixed.network.down2.conv.weight, third + (second - first) / 2)


@pytest.mark.assets
def test_what_is_gained_where_tones_are_brought_back(
    assets: Path, photos: Path, tmp_path: Path
) -> None:
    painting = assets / "styles" / "great_wave.jpg"
    few = tmp_path / "photos"
    few.mkdir()
    for photo in sorted(photos.iterdir())[:2]:
        (few / photo.name).symlink_to(photo)
    done = subprocess.run(
        [
            *(sys.executable, ROOT / "experiments/tones.py", "great_wave_live"),
            *("--style", painting, "--photos", few, "--json", tmp_path / "figures.json"),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    tints = json.loads((tmp_path / "figures.json").read_text())["tints"]
    off = [tints[tint]["off"] for tint in ("256", "40", "24", "0")]
    assert off == sorted(off, reverse=True) and off[0] > 1.5 * off[-1]
    assert tints["0"]["style"] != tints["256"]["style"]


@pytest.mark.assets
def test_a_base_is_trained_and_goes_on_where_it_was_stopped(
    assets: Path, photos: Path, painting: Path, tmp_path: Path
) -> None:
    paintings = tmp_path / "paintings"
    paintings.mkdir()
    for name in ("one", "two"):
        (paintings / f"{name}{painting.suffix}").symlink_to(painting)
    steps = []
    for minutes in (0.05, 0.1):
        done = subprocess.run(
            [
                *(sys.executable, ROOT / "experiments/base.py", paintings, photos),
                *("--norms", "two", "--width", "4", "--image-size", "64", "--batch-size", "2"),
                *("--minutes", str(minutes), "--output", tmp_path / "base.safetensors"),
            ],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        model = load(tmp_path / "base.safetensors", STYLE)
        assert model.network.width == 4 and len(model.card["style"]) == 2
        steps.append(model.card["step"])
    assert 0 < steps[0] < steps[1]


SCRIPTS = [path.name for path in sorted((ROOT / "experiments").glob("*.sh"))]
RECORDER = r"""#!/bin/sh
printf '%s\037' "$@" >>"{plan}"
printf '\036' >>"{plan}"
"""
"""An interpreter that only notes what it is asked for: ASCII's unit and record separators."""


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_command_of_the_scripts_parses(script: str, tmp_path: Path) -> None:
    """What they read need not be there, where the shell itself does not read it."""
    assets, recorder, plan = tmp_path / "assets", tmp_path / "python", tmp_path / "plan"
    text = (ROOT / "experiments" / script).read_text()
    photos = [f"content/{name}.jpg" for name in re.findall(r"[a-z_0-9]+", text)]
    for name in (*photos, "photos/val/0.png", "depth/wild_train/pairs.csv"):
        (assets / name).parent.mkdir(parents=True, exist_ok=True)
        (assets / name).touch()
    recorder.write_text(RECORDER.format(plan=plan))
    recorder.chmod(0o755)
    settings: dict[str, object] = {
        "PYTHON": recorder,
        "OUT": tmp_path / "out",
        "TO": tmp_path,
        "SHIP": tmp_path,
        "FSTSTYLE_ASSETS": assets,
        "NETWORKS": "a.safetensors",
        "STYLES": "starry_night",
        "TIME": "1m",
        "PARTS": "infer tests video train optimize",
    }
    done = subprocess.run(
        ["sh", ROOT / "experiments" / script],
        env={**os.environ, **{name: str(value) for name, value in settings.items()}},
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    commands = [record.split("\x1f")[:-1] for record in plan.read_text().split("\x1e")[:-1]]
    ours = [_of_fststyle(command) for command in commands]
    assert sum(map(bool, ours)) > 1
    for arguments in filter(None, ours):
        _parser().parse_args(arguments)


def _of_fststyle(command: list[str]) -> list[str] | None:
    """Its arguments, if it is a command of ``fststyle``."""
    if command[:2] == ["-m", "fststyle"]:
        return command[2:]
    script = Path(command[0])
    return [script.stem, *command[1:]] if script.stem in COMMANDS and script.suffix else None


def test_networks_and_pictures_of_others_are_measured_beside_ours(tmp_path: Path) -> None:
    recorder, plan, out = tmp_path / "python", tmp_path / "plan", tmp_path / "out"
    recorder.write_text(RECORDER.format(plan=plan))
    recorder.chmod(0o755)
    for made in ("their pictures/udnie/photo.jpg", "theirs/udnie.pth", "none/wave.pth"):
        (tmp_path / made).parent.mkdir(parents=True)
        (tmp_path / made).touch()
    makers = ["their pictures", "theirs", "none"]
    subprocess.run(
        ["sh", ROOT / "experiments/peers.sh", "--peers", *makers],
        env={**os.environ, "PYTHON": str(recorder), "OUT": str(out), "STYLES": "udnie"}
        | {"FSTSTYLE_ASSETS": "assets", "TIME": "", "OURS": str(ROOT / "checkpoints/styles")},
        cwd=tmp_path,
        check=True,
    )
    commands = [record.split("\x1f")[2:-1] for record in plan.read_text().split("\x1e")[:-1]]
    assert [command[0] for command in commands] == ["infer", "export", "infer", "evaluate"]
    measured = [Path(path) for path in commands[-1][1 : commands[-1].index("--photos")]]
    assert [path.stem for path in measured] == ["fststyle", "their pictures", "theirs"]
    assert measured[0].samefile(ROOT / "checkpoints/styles" / f"udnie{measured[0].suffix}")
    assert measured[1].samefile(tmp_path / "their pictures/udnie")
    assert measured[2].samefile(tmp_path / "theirs/udnie.pth")
    assert commands[0][1] == str(ROOT / "checkpoints/styles/udnie.onnx")
    assert commands[2][1] == commands[1][commands[1].index("--output") + 1]
    drawn = [Path(c[c.index("--output") + 1]) for c in (commands[0], commands[2])]
    assert drawn == [out / "pictures" / maker / "udnie" for maker in ("fststyle", "theirs")]
    assert (out / "pictures/their pictures/udnie/photo.jpg").is_file()
