"""What stands around the loop: the run's folder, what it goes on from, who reads its photos."""

import functools
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from torch import nn

from fststyle.checkpoints.files import save_tensors
from fststyle.config import StyleTrainConfig
from fststyle.data.photos import photos_used
from fststyle.networks.vgg import VGG19Features
from fststyle.training.lock import LOCK, locked
from fststyle.training.settings import begun_with
from fststyle.training.state import SavedState, TrainingState, resume
from fststyle.training.weight_maps import _steps_left
from tests.conftest import ROOT, run_here

Options = list[Any]


def test_depth_is_told_of_no_more_photos_than_the_clock_lets_a_training_see() -> None:
    def seen(device: str, **settings: Any) -> int:
        config = StyleTrainConfig(name="run", content="photos", style=("p.jpg",), **settings)
        state = Mock(step=100, seconds=20.0)
        state.progress = functools.partial(TrainingState.progress, state)
        return _steps_left(config, state, torch.device(device))

    assert seen("cpu", steps=2000) == seen("cuda", steps=2000) == 1900
    assert (seen("cpu", time="1m"), seen("cuda", time="1m")) == (40, 400)
    assert seen("cpu", time="10s") == 0


def test_a_folder_is_one_runs_and_free_when_that_is_killed(tmp_path: Path) -> None:
    """Also while processes that it started, such as readers of photos, live on."""
    code = f"""
import os, pathlib, time
from fststyle.training.lock import locked
with locked(pathlib.Path({str(tmp_path)!r})):
    orphan = os.fork() if hasattr(os, "fork") else 0
    if orphan or not hasattr(os, "fork"):
        print(orphan, flush=True)
    time.sleep(600)
"""
    holder = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    orphan = int(holder.stdout.readline())
    try:
        with pytest.raises(ValueError, match="another process trains in it now"):
            locked(tmp_path).__enter__()
        holder.kill()
        holder.wait()
        assert (tmp_path / LOCK).exists()
        with locked(tmp_path):
            pass
        assert not (tmp_path / LOCK).exists()
    finally:
        holder.kill()
        if orphan:
            os.kill(orphan, signal.SIGKILL)
        holder.stdout.close()
        holder.wait()


def test_a_file_system_without_locks_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("Function not implemented")

    monkeypatch.setattr("fststyle.training.lock._lock", refuse)
    with locked(tmp_path):
        assert "cannot be locked (Function not implemented)" in capsys.readouterr().err


def test_a_run_that_writes_nothing_leaves_no_folder(
    train_options: Options, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = (*train_options, "--image-size", 64, "--method", "combined")
    refused += ("--depth-network", "vgg19")
    for existed in (False, True):
        status, error = run_here(capsys, "train", *refused)
        assert status == 2 and "vgg19 is a loss network, not a depth network" in error
        assert (tmp_path / "run").exists() == existed
        (tmp_path / "run").mkdir(exist_ok=True)  # one that was there stays


def test_a_resumed_run_keeps_what_it_began_with(tmp_path: Path) -> None:
    one, two = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    one.write_bytes(b"1")
    two.write_bytes(b"2")
    entry = begun_with(one, None)
    assert entry is not None and entry["name"] == one.name
    saved: SavedState = ({}, {"init": entry, "settings": {"init": str(one)}})
    one.rename(tmp_path / "moved.safetensors")
    for same in (None, one, tmp_path / "moved.safetensors"):
        assert begun_with(same, saved) == entry
    with pytest.raises(ValueError, match=f"--init {two}: this run began with one.safetensors"):
        begun_with(two, saved)
    with pytest.raises(ValueError, match="this run began with none and goes on from its own"):
        begun_with(two, ({}, {"settings": {"init": None}}))


@pytest.mark.parametrize("spoilt", ["settings", "tensor", "values"])
def test_a_state_that_does_not_fit_is_one_line(
    spoilt: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = nn.Conv2d(3, 3, 3)
    optimizer = torch.optim.Adam(network.parameters(), fused=True)
    state = TrainingState(network, optimizer, torch.amp.GradScaler("cpu", enabled=False))
    tensors, values = state.capture()
    if spoilt == "settings":
        (tmp_path / "run").mkdir()
        card = {**values, "settings": {"name": "x", "flux": 1}}
        save_tensors(tmp_path / "run/state.safetensors", tensors, card)
        status, error = run_here(
            capsys, "train", "--resume", "--name", "x", "--run-dir", tmp_path / "run"
        )
        assert status == 2 and error.count("\n") == 1 and "of another version" in error
        return
    if spoilt == "tensor":
        del tensors["network.weight"]
    else:
        del values["param_groups"]
    with pytest.raises(ValueError, match="state.safetensors: damaged, or of another") as failure:
        resume(state, (tensors, values), tmp_path / "state.safetensors")
    assert "\n" not in str(failure.value)


@pytest.mark.parametrize("name", ["tiny.safetensors", "validation.png", "tensorboard"])
def test_what_is_there_without_a_state_is_not_overwritten(
    name: str, train_options: Options, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).write_bytes(b"mine")
    status, error = run_here(capsys, "train", *train_options)
    assert status == 2 and f"{name} exists already" in error and error.count("\n") == 1
    assert (tmp_path / "run" / name).read_bytes() == b"mine"


def test_the_photos_of_a_machine_are_those_of_its_processes(tmp_path: Path) -> None:
    files = [tmp_path / f"{i}.png" for i in range(40)]
    samples = range(8, 40)
    whole = photos_used(files, 0, samples)
    halves = [photos_used(files, 0, samples, 8, ranks, 4) for ranks in (range(2), range(2, 4))]
    assert len(whole) == 32 and sorted(whole) == sorted(halves[0] + halves[1])
    assert halves[0] == [file for at, file in enumerate(whole) if at % 8 < 4]
    # The next one takes a broken one's place.
    gone = photos_used(files, 0, range(8, 9))
    assert photos_used(files, 0, range(8, 9), without=set(gone)) == whole[1:2]


def test_vgg_is_calibrated_once_for_the_same_weights(
    vgg_state: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fststyle.networks import calibration

    measured = Mock(wraps=calibration._measured)
    monkeypatch.setattr(calibration, "_means", {})
    monkeypatch.setattr(calibration, "_measured", measured)
    brighter = {name: 2 * tensor for name, tensor in vgg_state.items()}
    for state in (vgg_state, vgg_state, brighter):
        calibration.calibrate(VGG19Features(state, ["relu1_1"]))
    assert measured.call_count == 2
