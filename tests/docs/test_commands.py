"""Every command in README and docs, as it stands there, on small files of the names it uses."""

import argparse
import glob
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from fststyle import config
from fststyle.__main__ import COMMANDS, _parser, main
from fststyle.checkpoints.files import save_tensors
from fststyle.data.demo import write_demo
from tests.checkpoints.test_convert import as_torch7, published
from tests.checkpoints.torch7_writer import write_torch7
from tests.conftest import ROOT
from tests.docs.conftest import narrow_vgg
from tests.docs.expected import ELSEWHERE, MADE, SMALL
from tests.docs.made import describe, files_now
from tests.docs.markdown import NAMES, PAGES, blocks, without_blocks
from tests.evaluation.test_votes import saved


def command_blocks() -> tuple[dict[str, list[str]], list[str]]:
    """The commands of ``fststyle`` that stand together on a page, by the first of them, each
    command where it stands first; and all others."""
    together, others, seen = {}, [], set[str]()
    for block in blocks():
        if block.language == "python":
            continue
        new = [command for command in dict.fromkeys(block.commands()) if command not in seen]
        seen.update(new)
        ours = [command for command in new if command.startswith("fststyle ")]
        others += [command for command in new if not command.startswith("fststyle ")]
        if ours:
            name = f"{block.page}: {ours[0]}"
            assert name not in together
            together[name] = ours
    return together, others


OURS, OTHERS = command_blocks()


@pytest.mark.parametrize("block", OURS, ids=[name[:100] for name in OURS])
def test_commands_run(
    block: str, here: Path, traced_once: None, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in OURS[block]:
        if any(sign in command for sign in ELSEWHERE):
            _parser().parse_args(arguments(command))
            continue
        prepare(command)
        for path in map(Path, made_by(command)[0]):  # a block's lines may be alternatives
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        before, _ = files_now(), capsys.readouterr()
        torch.manual_seed(0)  # that benchmarks are of networks that others have traced
        try:
            status = main(arguments(command))
        except SystemExit as exit:
            status = int(exit.code or 0)
        printed = capsys.readouterr()
        assert status == 0, (command, printed.err)
        now, (expected, output) = files_now(), made_by(command)
        made = {path: describe(Path(path)) for path in now if now[path] != before.get(path)}
        assert made == expected, command
        assert re.search(output, printed.out), (command, printed.out)


def arguments(command: str) -> list[str]:
    """Those of ``main``, with globs as a shell expands them, and small."""
    for large, small in (
        *(("1200", "2"), ("1280x720", "64x48")),
        *((f"--time {minutes}m", "--time 0.01s") for minutes in (5, 8, 10)),
    ):
        command = command.replace(large, small)
    words = shlex.split(command)[1:]
    if words[0] != "infer":
        words = [w for word in words for w in (sorted(glob.glob(word)) if "*" in word else [word])]
    if "--help" in words or "--list" in words:
        return words
    name = next(n for n in (" ".join(words[:2]), words[0]) if n in NAMES)
    return words + shlex.split(SMALL.get(name, ""))


def made_by(command: str) -> tuple[dict[str, str], str]:
    """What MADE says of ``command``."""
    found = [(made, output) for part, made, output in MADE if re.search(part, command)]
    assert len(found) == 1, f"MADE has {len(found)} entries for {command}"
    return found[0]


def prepare(command: str) -> None:
    """What a command needs of others that stand elsewhere on the pages."""
    if "mine.safetensors" in command and "--loss-network" in command:
        save_tensors(Path("mine.safetensors"), narrow_vgg(), {"kind": "loss_network"})
    if "model.t7" in command:
        write_torch7(Path("model.t7"), as_torch7(published()))
    if "demo/" in command and not Path("demo").exists():
        write_demo(Path("demo"))
    if "pictures" in command and "--record" not in command:
        optimize = f"optimize photos/ --style painting.jpg --record {SMALL['optimize']}"
        for name in ("pictures", "pictures_plain", "pictures_combined"):
            if name in command:
                main([*shlex.split(optimize), "--method", "plain", "--output", name])
    if "experiments/peers" in command:  # what sh experiments/peers.sh, which is not run, leaves
        for maker in ("fststyle", "others"):
            shutil.copytree("pictures", f"experiments/peers/pictures/{maker}/paintings1")
    if "votes-" in command:
        for judge in ("x", "y"):
            Path(f"votes-{judge}.json").write_text(saved(judge, "ab"))


def test_every_expectation_is_of_a_command() -> None:
    commands = [command for block in OURS.values() for command in block]
    assert not [part for part, *_ in MADE if not any(re.search(part, c) for c in commands)]
    assert not [sign for sign in ELSEWHERE if not any(sign in c for c in commands + OTHERS)]
    for test in ELSEWHERE.values():
        file, _, function = test.partition("::")
        assert f"\ndef {function}(" in (ROOT / "tests" / file).read_text(), test


def options() -> set[str]:
    """Those of all commands."""
    parser = argparse.ArgumentParser(conflict_handler="resolve")
    for name in NAMES:
        command: Any = COMMANDS
        for word in name.split():
            command = command[word]
        config.add_arguments(parser, command.settings)
    return {option for action in parser._actions for option in action.option_strings}


def test_every_option_that_is_named_exists() -> None:
    named = set[str]()
    for page in PAGES:
        for code in re.findall(r"`(--[^`]*)`", without_blocks(page.read_text())):
            named.update(re.findall(r"(?:^| )(--[a-z][a-z0-9-]*)", code))
    assert len(named) > 50
    assert not named - options()


@pytest.mark.parametrize("command", OTHERS)
def test_the_other_commands_are_known(command: str) -> None:
    in_ci = ("python3 -m venv .venv", "python -m pytest", "pre-commit")  # what make and .ci/run do
    program, *rest = shlex.split(command)
    if program == "make":
        done = subprocess.run(["make", "-n", *rest], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    elif program == "sh":  # tests/test_experiments.py parses what they call
        subprocess.run(["sh", "-n", *rest], cwd=ROOT, check=True)
    elif program.endswith("pip"):
        extras = re.findall(r"\[(\w+)\]", command)
        project = (ROOT / "pyproject.toml").read_text()
        assert all(f"\n{extra} = [" in project for extra in extras)
    elif rest[0].startswith("experiments/"):  # tests/test_experiments.py runs them
        asked = [sys.executable, rest[0], "--help"]
        usage = subprocess.run(
            asked,
            cwd=ROOT,
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert usage.returncode == 0, usage.stderr
        assert all(word in usage.stdout for word in rest if word.startswith("--"))
    elif program == "torchrun":
        _parser().parse_args(["train", *rest[rest.index("train.py") + 1 :]])
    else:
        assert command.startswith(in_ci) or program == "tensorboard", command
