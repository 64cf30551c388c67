"""What a training is to do: its options, or those of the run that it goes on with."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from fststyle import config as settings
from fststyle.checkpoints.style import STATE
from fststyle.config import RunConfig
from fststyle.training.state import SavedState, load_state
from fststyle.utils.files import check_file, named, sha256

MAY_CHANGE = (
    "steps",
    "time",
    "resume",
    "run_dir",
    "val",
    "vgg_weights",
    "device",
    "precision",
    "lr",
    "clip_grad",
    "compile",
    "workers",
    "checkpoint_interval",
    "picture_interval",
)
"""Settings that a resumed run may be given anew; of files, only where they lie. Precision, rate and
clipping are what helps a run whose loss stopped being finite."""
OUTPUTS = ("{name}.safetensors", "validation.png", "tensorboard")
"""What a run leaves in its folder beside its state."""

Config = TypeVar("Config", bound=RunConfig)


def read_settings(
    kind: type[Config], options: Mapping[str, Any], may_change: Sequence[str]
) -> tuple[Config, SavedState | None]:
    """(settings, state to go on from or None), out of the options and the run folder.

    A resumed run has the settings it began with; options may change those of ``MAY_CHANGE`` and
    ``may_change``.

    Raises ValueError where a run would be overwritten, or resumed under other settings.
    """
    needed = settings.needed(kind)
    folder = settings.run_folder(options)
    state_file = folder / STATE
    if not options.get("resume"):
        config = settings.from_options(kind, options)
        if state_file.exists():
            raise ValueError(
                f"{folder} holds a run already: add --resume to go on with it, or choose another"
                " --name or --run-dir"
            )
        for name in OUTPUTS:
            file = folder / name.format(name=config.name)
            if file.exists():
                raise ValueError(
                    f"{file} exists already: choose another --name or --run-dir, or add --resume if"
                    " it is from this run, which then begins anew"
                )
        return config, None
    if not state_file.exists():
        if not needed <= options.keys():
            raise FileNotFoundError(f"{state_file}: no such file, so there is no run to resume")
        print(f"{folder} holds no checkpoint yet: starting at step 0", file=sys.stderr)
        return settings.from_options(kind, options), None
    saved = load_state(state_file)
    try:
        before = settings.from_json(kind, saved[1]["settings"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f"{state_file}: damaged, of another kind of training or of another version of fststyle"
            f" ({error}); begin another run, with --init and its network's file"
        ) from error
    now = settings.from_options(kind, {**vars(before), **options})
    for name in settings.changed(before, now, ignore=(*MAY_CHANGE, *may_change)):
        raise ValueError(
            f"--{name.replace('_', '-')} was {getattr(before, name)} when this run began and cannot"
            f" become {getattr(now, name)}: resume without it, or begin another run"
        )
    return now, saved


def begun_with(
    init: Path | None, saved: SavedState | None, given: str | None = None
) -> dict[str, str] | None:
    """What the card says of ``init``, the file that ``--init`` names (as ``given``, where that is
    not its path); of a resumed run, what it said before.

    Raises FileNotFoundError or ValueError: there is no such file, or a resumed run did not begin
    with it: its weights are its state's.
    """
    if saved is None:
        if init is None:
            return None
        check_file(init)
        return named(init)
    before = saved[1].get("init")
    given_anew = init is not None and (given or str(init)) != saved[1]["settings"].get("init")
    if given_anew and (before is None or _sha256_of(init) != before["sha256"]):
        began = f"began with {before['name']}" if before else "began with none"
        raise ValueError(
            f"--init {given or init}: this run {began} and goes on from its own state; resume"
            " without --init, or begin another run"
        )
    return before


def _sha256_of(path: Path | None) -> str | None:
    try:
        return sha256(path) if path else None
    except OSError:
        return None
