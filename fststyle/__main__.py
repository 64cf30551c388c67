"""``python -m fststyle COMMAND``: every command. Importing torch is left to those that need it."""

import argparse
import contextlib
import signal
import struct
import sys
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

import fststyle
from fststyle import config
from fststyle.utils.console import console, printable


class Command(NamedTuple):
    """A command: what it is for, its settings, and what is called with the options given."""

    help: str
    settings: type
    run: Callable[[Mapping[str, Any]], int | None]


def _train(options: Mapping[str, Any]) -> None:
    from fststyle.training.style import run

    run(options)


def _export(options: Mapping[str, Any]) -> None:
    from fststyle.deployment.export import run

    run(config.from_options(config.ExportConfig, options))


def _publish(options: Mapping[str, Any]) -> None:
    from fststyle.deployment.publish import run

    run(config.from_options(config.PublishConfig, options))


def _infer(options: Mapping[str, Any]) -> int:
    from fststyle.inference.infer import run

    return run(config.from_options(config.InferConfig, options))


def _optimize(options: Mapping[str, Any]) -> int:
    from fststyle.optimization.run import run

    return run(config.from_options(config.OptimizeConfig, options))


def _compare(options: Mapping[str, Any]) -> int:
    from fststyle.evaluation.compare import run

    return run(config.from_options(config.CompareConfig, options))


def _evaluate(options: Mapping[str, Any]) -> int:
    from fststyle.evaluation.style import run

    return run(config.from_options(config.EvaluateConfig, options))


def _depth_train(options: Mapping[str, Any]) -> None:
    from fststyle.training.depth import run

    run(options)


def _depth_eval(options: Mapping[str, Any]) -> int:
    from fststyle.evaluation.depth import run

    return run(config.from_options(config.DepthEvalConfig, options))


def _depth_predict(options: Mapping[str, Any]) -> int:
    from fststyle.depth.estimator import open_estimator
    from fststyle.depth.predict import predict

    settings = config.from_options(config.DepthPredictConfig, options)
    depth = open_estimator(settings.network, settings.vgg_weights, settings.device)
    return predict(settings, depth.estimate, depth.card)


def _depth_convert(options: Mapping[str, Any]) -> None:
    from fststyle.checkpoints.convert import run

    run(config.from_options(config.DepthConvertConfig, options))


def _demo(options: Mapping[str, Any]) -> None:
    from fststyle.data.demo import write_demo

    write_demo(config.from_options(config.DemoConfig, options).folder)


def _loss_train(options: Mapping[str, Any]) -> None:
    from fststyle.training.prune_vgg import run

    run(config.from_options(config.LossTrainConfig, options))


def _bench_train(options: Mapping[str, Any]) -> None:
    from fststyle.benchmarks.train import bench_train

    bench_train(config.from_options(config.BenchTrainConfig, options))


def _bench_infer(options: Mapping[str, Any]) -> None:
    from fststyle.benchmarks.infer import bench_infer

    bench_infer(config.from_options(config.BenchInferConfig, options))


def _bench_depth(options: Mapping[str, Any]) -> None:
    from fststyle.benchmarks.depth import bench_depth

    bench_depth(config.from_options(config.BenchDepthConfig, options))


def _bench_optimize(options: Mapping[str, Any]) -> None:
    from fststyle.benchmarks.optimize import bench_optimize

    bench_optimize(config.from_options(config.BenchOptimizeConfig, options))


def _bench_robustness(options: Mapping[str, Any]) -> int:
    from fststyle.benchmarks.robustness.run import bench_robustness

    return bench_robustness(config.from_options(config.BenchRobustnessConfig, options))


def _bench_video(options: Mapping[str, Any]) -> None:
    from fststyle.benchmarks.video import bench_video

    bench_video(config.from_options(config.BenchVideoConfig, options))


COMMANDS: dict[str, Command | dict[str, Command]] = {
    "train": Command("train a style network", config.StyleTrainConfig, _train),
    "export": Command("turn a trained network into an ONNX file", config.ExportConfig, _export),
    "publish": Command(
        "make a trained style ready to be given away", config.PublishConfig, _publish
    ),
    "infer": Command("stylize pictures and videos", config.InferConfig, _infer),
    "optimize": Command(
        "optimize the pixels of one picture at a time", config.OptimizeConfig, _optimize
    ),
    "evaluate": Command("measure style networks side by side", config.EvaluateConfig, _evaluate),
    "compare": Command("draw a sheet of results", config.CompareConfig, _compare),
    "depth": {
        "train": Command("train a depth network", config.DepthTrainConfig, _depth_train),
        "eval": Command("measure depth networks", config.DepthEvalConfig, _depth_eval),
        "predict": Command(
            "write depth maps of pictures", config.DepthPredictConfig, _depth_predict
        ),
        "convert": Command(
            "turn somebody's hourglass into our file, or ours into half its size",
            config.DepthConvertConfig,
            _depth_convert,
        ),
    },
    "demo": Command("write a painting and photos to train on", config.DemoConfig, _demo),
    "loss": {
        "train": Command(
            "make a small loss network out of VGG-19", config.LossTrainConfig, _loss_train
        ),
    },
    "bench": {
        "train": Command("time the training step", config.BenchTrainConfig, _bench_train),
        "infer": Command("time the exported network", config.BenchInferConfig, _bench_infer),
        "video": Command("time video, stage by stage", config.BenchVideoConfig, _bench_video),
        "depth": Command("time what depth costs", config.BenchDepthConfig, _bench_depth),
        "optimize": Command(
            "time per-image optimization", config.BenchOptimizeConfig, _bench_optimize
        ),
        "robustness": Command(
            "count how commands end on damaged files, and trainings that are killed",
            config.BenchRobustnessConfig,
            _bench_robustness,
        ),
    },
}


TRAINING_PACKAGES = (
    *("torch", "torchvision", "safetensors", "onnxscript", "h5py"),
    *("scipy", "skimage", "tensorboard", "psutil", "cv2"),
)
"""What ``fststyle[train]`` installs and stylizing does without."""


class _Parser(argparse.ArgumentParser):
    settings: type | None = None
    """Of the command; only the one that is run gets its options, which takes a millisecond."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self.settings is not None:
            config.add_arguments(self, self.settings)
            self.settings = None
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="fststyle", description="Depth-aware fast style transfer.")
    parser.add_argument("--version", action="version", version=fststyle.__version__)
    _add(parser, COMMANDS)
    return parser


def _add(parser: argparse.ArgumentParser, commands: Mapping[str, Any]) -> None:
    choices = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, command in commands.items():
        if isinstance(command, dict):
            _add(choices.add_parser(name, help=f"{name} {' | '.join(command)}"), command)
            continue
        sub = choices.add_parser(name, help=command.help, description=command.help.capitalize())
        sub.set_defaults(_command=command)
        sub.settings = command.settings


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
    try:
        return command.run(options) or 0
    except KeyboardInterrupt:
        return 130
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in TRAINING_PACKAGES:
            raise
        return _fail(f"{error.name} is not installed: pip install 'fststyle[train]'")
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
