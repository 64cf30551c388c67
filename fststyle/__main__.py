"""``python -m fststyle COMMAND``: every command. Importing torch is left to those that need it."""

import argparse
import contextlib
import importlib
import os
import signal
import struct
import sys
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

from fststyle import config
from fststyle.utils.console import console, printable
from fststyle.utils.version import __version__


class Command(NamedTuple):
    """A command: what it is for, its settings, and the function that takes these as keywords,
    MODULE:NAME below this package; what runs another command is not imported."""

    help: str
    settings: type
    function: str

    def run(self, options: Mapping[str, Any]) -> int:
        """Returns the exit status."""
        module, _, name = self.function.partition(":")
        result = getattr(importlib.import_module(f"fststyle.{module}"), name)(**options)
        status: int | None = getattr(result, "exit_status", result)
        return status if isinstance(status, int) else 0


Commands = Mapping[str, "Command | Commands"]

COMMANDS: Commands = {
    "train": Command("train a style network", config.StyleTrainConfig, "training.style:train"),
    "distill": Command(
        "teach a small network what a large one paints",
        config.DistillConfig,
        "training.distill:distill",
    ),
    "preview": Command(
        "show what a painting gives with several settings",
        config.PreviewConfig,
        "training.preview:preview",
    ),
    "export": Command(
        "turn a trained network into an ONNX file", config.ExportConfig, "deployment.export:export"
    ),
    "publish": Command(
        "make a trained style ready to be given away",
        config.PublishConfig,
        "deployment.publish:publish",
    ),
    "infer": Command("stylize pictures and videos", config.InferConfig, "inference.infer:run"),
    "page": Command(
        "write a page that stylizes in the browser", config.PageConfig, "page.build:page"
    ),
    "optimize": Command(
        "optimize the pixels of one picture at a time",
        config.OptimizeConfig,
        "optimization.run:optimize",
    ),
    "evaluate": Command(
        "measure style networks side by side", config.EvaluateConfig, "evaluation.style:evaluate"
    ),
    "compare": Command(
        "draw a sheet of results", config.CompareConfig, "evaluation.compare:compare"
    ),
    "judge": Command(
        "let people judge which method's pictures are better",
        config.JudgeConfig,
        "evaluation.judge:judge",
    ),
    "depth": {
        "train": Command("train a depth network", config.DepthTrainConfig, "training.depth:run"),
        "eval": Command(
            "measure depth networks", config.DepthEvalConfig, "evaluation.depth:evaluate"
        ),
        "predict": Command(
            "write depth maps of pictures", config.DepthPredictConfig, "depth.predict:predict"
        ),
        "convert": Command(
            "turn somebody's hourglass into our file, or ours into half its size",
            config.DepthConvertConfig,
            "checkpoints.convert:run",
        ),
    },
    "demo": Command(
        "write a painting and photos to train on", config.DemoConfig, "data.demo:write_demo"
    ),
    "loss": {
        "train": Command(
            "make a small loss network out of VGG-19",
            config.LossTrainConfig,
            "training.prune_vgg:run",
        ),
    },
    "bench": {
        "train": Command(
            "time the training step", config.BenchTrainConfig, "benchmarks.train:bench_train"
        ),
        "infer": Command(
            "time the exported network", config.BenchInferConfig, "benchmarks.infer:bench_infer"
        ),
        "video": Command(
            "time video, stage by stage", config.BenchVideoConfig, "benchmarks.video:bench_video"
        ),
        "depth": Command(
            "time what depth costs", config.BenchDepthConfig, "benchmarks.depth:bench_depth"
        ),
        "optimize": Command(
            "time per-image optimization",
            config.BenchOptimizeConfig,
            "benchmarks.optimize:bench_optimize",
        ),
        "robustness": Command(
            "count how commands end on damaged files, and trainings that are killed",
            config.BenchRobustnessConfig,
            "benchmarks.robustness.run:bench_robustness",
        ),
    },
}


TRAINING_PACKAGES = (
    *("torch", "torchvision", "safetensors", "onnxscript", "h5py"),
    *("scipy", "skimage", "tensorboard", "psutil"),
)
"""What ``fststyle[train]`` installs and stylizing does without."""


class _Parser(argparse.ArgumentParser):
    """A parser that is given the options of its command, or the commands of its group, when it is
    used: of those of all commands most would be made for nothing, in 15 ms."""

    content: Command | Commands | None = None

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        content, self.content = self.content, None
        if isinstance(content, Command):
            config.add_arguments(self, content.settings)
            self.set_defaults(_command=content)
            # Options may stand between what they are not about: infer STYLE --map none PHOTO.
            return self.parse_known_intermixed_args(args, namespace)
        elif content is not None:
            choices = self.add_subparsers(metavar="COMMAND", required=True)
            for name, command in content.items():
                if isinstance(command, Command):
                    help = command.help
                    added = choices.add_parser(
                        name, help=help, description=help[0].upper() + help[1:]
                    )
                else:
                    added = choices.add_parser(name, help=f"{name} {' | '.join(command)}")
                added.content = command
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _parser() -> _Parser:
    parser = _Parser(prog="fststyle", description="Depth-aware fast style transfer.")
    parser.add_argument("--version", action="version", version=__version__)
    parser.content = COMMANDS
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status: 0, 1 (some pictures failed), 2 (bad input), 130
    (interrupted)."""
    with console() as output, _cleaning_up_when_terminated():
        status = _run(arguments)
        output.flush()
        lost = output.error  # of a reader that has left nothing is lost: | head
        if lost and not isinstance(lost, BrokenPipeError):
            status = status or _fail(f"standard output cannot be written ({lost.strerror})")
        return status


def _run(arguments: Sequence[str] | None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    options = vars(_parser().parse_args(arguments))
    command: Command = options.pop("_command")
    if "OMP_WAIT_POLICY" not in os.environ:
        # Read when torch is loaded. GNU OpenMP's threads wait for each other by spinning for a
        # millisecond or more; where another program is on one of their cores, they spin away its
        # turn and their own: two threads beside a busy loop on two cores take 2.5 times as long as
        # with this.
        os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    try:
        return command.run(options)
    except KeyboardInterrupt:
        return 130
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in TRAINING_PACKAGES:
            raise
        return _fail(f"{error.name} is not installed: pip install '.[train]' in a clone")
    except MemoryError as error:
        return _fail(str(error) or "there is too little memory for that")
    except RecursionError:
        return _fail("a file is nested too deeply; is it damaged?")
    except (ValueError, OSError) as error:
        return _fail(config.as_typed(str(error), command.settings, arguments))
    except (EOFError, struct.error, zlib.error) as error:
        return _fail(f"a file is damaged ({error})")


def _fail(message: str) -> int:
    print("\n".join(map(printable, f"fststyle: {message}".splitlines())), file=sys.stderr)
    return 2


@contextlib.contextmanager
def _cleaning_up_when_terminated() -> Iterator[None]:
    """SIGTERM ends the process as an exception does, so that no half files stay."""

    def leave(number: int, _: object) -> NoReturn:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():  # others cannot have handlers
        yield
        return
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


if __name__ == "__main__":
    sys.exit(main())
