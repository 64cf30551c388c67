"""Training runs, whatever they train."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fststyle.config.settings import (
    OptionalPath,
    above_zero,
    at_least,
    check,
    parse_duration,
    setting,
    within,
)
from fststyle.config.shared import PrecisionSettings


class LoopConfig(PrecisionSettings):
    """What the training loop itself reads."""

    steps: int = setting("optimizer steps in all", default=2000)
    time: str | None = setting(
        "train for so long, 90s, 10m or 1h, with as many steps as fit, in place of --steps",
        default=None,
    )
    batch_size: int = setting("photos per step, over all processes", default=4)
    lr: float = setting(
        "Adam's learning rate; that of kernels under muon is five times as much", default=1e-3
    )
    lr_decay: float = setting(
        "last part of the training over which the rate falls to zero", default=0.3
    )
    seed: int = setting("seed of the first weights and of the crops", default=0)
    accumulate: int = setting("split each step into this many parts, to save memory", default=1)
    clip_grad: float | None = setting(
        "largest norm of the gradient (default: not clipped)", default=None
    )
    compile: bool = setting(
        "torch.compile the trained network (needs a C++ compiler)", default=False
    )
    workers: int | None = setting(
        "processes that read photos (default: by the cores)", default=None
    )
    checkpoint_interval: int = setting("steps between checkpoints", default=200)
    picture_interval: int = setting(
        "steps between validations, with pictures in TensorBoard", default=200
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        at_least(1, self, "steps", "batch_size", "accumulate")
        at_least(1, self, "checkpoint_interval", "picture_interval")
        at_least(0, self, "seed", "workers")
        above_zero(self, "lr", "clip_grad")
        within(0, 1, self, "lr_decay")
        check(self.seconds is None or self.seconds > 0, f"--time must be above 0, not {self.time}")
        check(
            self.batch_size % self.accumulate == 0,
            f"--batch-size {self.batch_size} cannot be split into {self.accumulate} equal parts"
            " (--accumulate)",
        )

    @property
    def seconds(self) -> float | None:
        """What ``time`` says, None where steps count."""
        return None if self.time is None else parse_duration(self.time)


class RunConfig(LoopConfig):
    """A training run: the loop, and the folder that it leaves."""

    name: str = setting("name of what is trained; names the files it leaves")
    run_dir: OptionalPath = setting("folder of the run (default: runs/NAME)", default=None)
    resume: bool = setting("go on from the run folder's last checkpoint", default=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        check(
            self.name != "" and self.name == Path(self.name).name and self.name[0] not in ".-",
            f"--name names files, so it must be a plain file name, not {self.name!r}",
        )

    @property
    def folder(self) -> Path:
        """The run folder."""
        return run_folder(vars(self))


def run_folder(options: Mapping[str, Any]) -> Path:
    """The folder of the run that ``options`` name; raises ValueError where they name none."""
    if options.get("run_dir"):
        return Path(options["run_dir"])
    check("name" in options, "--name is needed: it names the run")
    return Path("runs") / options["name"]
