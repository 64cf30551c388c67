"""``infer --shard N/M``."""

import os
import random
from pathlib import Path
from typing import Any

import pytest

from fststyle.__main__ import main
from fststyle.config import InferConfig
from fststyle.inference.work import Work, output_is_folder, plan_work
from fststyle.utils.failures import Failures
from tests.conftest import picture, run_here, write_clip

STYLE = "starry_night_live"


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Nine pictures, some of one name, and two videos."""
    folder = tmp_path / "mixed"
    names = ("a.png", "b.png", "b.jpg", "B.png", "x.bmp", "x.bmp.png", "deep/a.png", "deep/c.png")
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        picture(0).save(folder / name)
    picture(0).save(folder / "deep" / "c.jpg")
    for name in ("clip.mp4", "deep/clip.mp4"):
        write_clip(folder / name, [0, 40])
    return folder


def plan(*inputs: object, output: Path, **options: Any) -> Work:
    config = InferConfig(inputs=(STYLE, *map(str, inputs)), output=output, **options)
    return plan_work(config, Failures())


def targets(work: Work) -> dict[Path, Path]:
    return {job.source: job.targets[0] for job in (*work.pictures, *work.videos)}


def test_each_input_is_done_once_whatever_the_order_of_listing(
    mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, walk = tmp_path / "out", os.walk
    inputs = [mixed, mixed / "*.png", mixed / "deep" / "a.png"]
    whole = targets(plan(*inputs, output=out))
    assert len(whole) == len({str(target).casefold() for target in whole.values()}) == 11

    def shuffled(*arguments: Any, **options: Any) -> Any:
        for root, folders, names in walk(*arguments, **options):
            random.shuffle(folders)
            random.shuffle(names)
            yield root, folders, names

    monkeypatch.setattr(os, "walk", shuffled)
    for count in (1, 2, 3, 20):
        shards = [
            targets(plan(*inputs, output=out, shard=f"{number}/{count}"))
            for number in range(1, count + 1)
        ]
        assert sum(map(len, shards)) == len(whole)
        assert {source: t for shard in shards for source, t in shard.items()} == whole
        sizes = [len(shard) for shard in shards]
        assert max(sizes) - min(sizes) <= 1


def test_what_exists_leaves_shards_as_they_are(mixed: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = targets(plan(mixed, output=out, shard="1/2"))
    done, *rest = first
    first[done].parent.mkdir(parents=True)
    first[done].touch()
    work = plan(mixed, output=out, shard="1/2", skip_existing=True)
    assert list(targets(work)) == rest and (work.existing, work.total) == (1, 11)
    second = targets(plan(mixed, output=out, shard="2/2", skip_existing=True))
    assert not second.keys() & first.keys() and len(second) + len(first) == 11


def test_a_source_of_another_shard_is_not_overwritten(tmp_path: Path) -> None:
    for name in ("in/a.png", "in/b.png", "out/x.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        picture(0).save(tmp_path / name)
    os.link(tmp_path / "in" / "b.png", tmp_path / "out" / "a.png")  # b is made in the second shard
    with pytest.raises(ValueError, match="would be overwritten"):
        plan(tmp_path / "in", output=tmp_path / "out", shard="1/2", overwrite=True)


def test_the_command_does_its_part(
    mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (mixed / "deep" / "broken.png").write_text("broken")
    out = tmp_path / "out"
    command = ("infer", STYLE, mixed, "--output", out, "--provider", "cpu")
    status = [run_here(capsys, *command, "--shard", f"{number}/2")[0] for number in (1, 2)]
    assert sorted(status) == [0, 1], "one has the broken one"
    made = sorted(file for file in out.rglob("*") if file.is_file())
    assert len(made) == 11 and all(file.stat().st_size for file in made)
    made[0].unlink()
    status = [
        run_here(capsys, *command, "--shard", f"{number}/2", "--skip-existing")[0]
        for number in (1, 2)
    ]
    assert sorted(status) == [0, 1] and made[0].is_file()


def test_a_shard_without_work_is_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture(0).save(tmp_path / "a.png")
    command = ["infer", STYLE, str(tmp_path / "a.png"), "--output", str(tmp_path / "out")]
    assert main([*command, "--shard", "2/3"]) == 0
    assert "shard 2/3: 0 of 1 input(s)" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("shard", ["0/16", "17/16", "a/b", "3", "-1/4", "1/0", "1/2/3", ""])
def test_what_is_no_shard_is_refused(shard: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, error = run_here(capsys, "infer", STYLE, "photo.jpg", f"--shard={shard}")
    assert status == 2 and error.count("\n") == 1
    assert f"--shard {shard}: give N/M, N from 1 to M, such as 3/16" in error


def test_cameras_and_windows_have_no_shards(capsys: pytest.CaptureFixture[str]) -> None:
    for options in (("camera:0", "--output", "out.mp4"), ("clip.mp4", "--show")):
        status, error = run_here(capsys, "infer", STYLE, *options, "--shard", "1/2")
        assert status == 2 and "--shard parts files" in error


def test_a_slip_in_a_suffix_makes_no_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture(0).save(tmp_path / "a.png")
    slip = tmp_path / "wave.jgp"
    status, error = run_here(capsys, "infer", STYLE, tmp_path / "a.png", "--output", slip)
    assert status == 2 and "is .jpg meant? A folder is" in error and not slip.exists()
    assert output_is_folder(InferConfig(inputs=(STYLE, "a.png"), output=f"{slip}/"))


def test_what_nothing_is_near_for_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for options in (("--near", 0.5), ("--focus", 0.5), ("--far-style", "udnie")):
        status, error = run_here(capsys, "infer", STYLE, "a.png", "--map", "none", *options)
        assert status == 2 and f"{options[0]} needs a map or a mask" in error
