"""The table of commands, and what it does with a command line."""

import importlib
import inspect
from collections.abc import Iterator

import pytest

from fststyle.__main__ import COMMANDS, Command, Commands, main


def every_command(commands: Commands = COMMANDS) -> Iterator[Command]:
    for command in commands.values():
        if isinstance(command, Command):
            yield command
        else:
            yield from every_command(command)


@pytest.mark.parametrize("command", list(every_command()), ids=lambda command: command.function)
def test_a_commands_function_takes_its_settings(command: Command) -> None:
    module, _, name = command.function.partition(":")
    function = getattr(importlib.import_module(f"fststyle.{module}"), name)
    settings = inspect.signature(command.settings).parameters
    assert list(inspect.signature(function).parameters) == list(settings)


def test_wrong_options_give_one_line_and_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit:
        main(["train", "--steps", "many"])
    assert exit.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("option", ["--grain", "--noise"])
def test_errors_name_the_option_as_it_was_given(
    option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["infer", "udnie", "photo.jpg", f"{option}=99"]) == 2
    assert capsys.readouterr().err == f"fststyle: {option} must lie in [0, 64], not 99\n"


def test_every_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["train"], ["export"], ["infer"], ["compare"], ["bench", "train"], ["bench"]):
        with pytest.raises(SystemExit) as exit:
            main([*command, "--help"])
        assert exit.value.code == 0
    assert "--style-weight" not in capsys.readouterr().err
