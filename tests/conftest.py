"""What several tests share: small photos, a painting, random VGG-19 weights, the commands, and one
limit of time for all of them."""

import contextlib
import faulthandler
import fcntl
import hashlib
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import onnx
import psutil
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from tests.browser import chromiums

ROOT = Path(__file__).parent.parent

# Two processes run the tests, on things too small to be shared among threads.
os.environ["OMP_NUM_THREADS"] = "1"  # for the commands they start
torch.set_num_threads(1)

LIMIT = 2 * 60 * 60
"""Seconds after which the whole run is taken for hung: many times what a slow and busy machine
needs. No test has a limit of its own."""


def pytest_configure(config: pytest.Config) -> None:
    # Here stderr is the terminal's; while tests run, it is what they print to.
    terminal = os.fdopen(os.dup(sys.__stderr__.fileno() if sys.__stderr__ else 2), "w")
    # Every process shows where it stands, then the one that was started ends them all.
    faulthandler.dump_traceback_later(LIMIT - 60, file=terminal)
    if not hasattr(config, "workerinput"):
        watchdog = threading.Timer(LIMIT, _end, [terminal])
        watchdog.daemon = True
        watchdog.start()


def _end(terminal: Any) -> None:
    print(f"\nthe tests hang: ended after {LIMIT / 60:.0f} minutes", file=terminal, flush=True)
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    os._exit(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = not os.environ.get("FSTSTYLE_ASSETS")
    for item in items:
        if missing and item.get_closest_marker("assets"):
            item.add_marker(pytest.mark.skip(reason="FSTSTYLE_ASSETS is not set"))
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture(scope="session")
def assets() -> Path:
    return Path(os.environ["FSTSTYLE_ASSETS"])


def _command(arguments: Sequence[object], env: dict[str, str]) -> dict[str, Any]:
    return {
        "args": [sys.executable, "-m", "fststyle", *map(str, arguments)],
        "cwd": ROOT,
        "env": {**os.environ, "FSTSTYLE_ASSETS": "", **env},
        "text": True,
    }


def run_command(
    *arguments: object, env: dict[str, str] | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """``python -m fststyle ARGUMENTS`` from the project's folder."""
    return subprocess.run(**_command(arguments, env or {}), capture_output=True, **options)


def interrupting(function: Callable[..., Any], call: int) -> Callable[..., Any]:
    """``function``, after whose ``call``-th call somebody presses Ctrl-C."""
    calls = []

    def wrapped(*arguments: Any, **options: Any) -> Any:
        calls.append(1)
        result = function(*arguments, **options)
        if len(calls) == call:
            os.kill(os.getpid(), signal.SIGINT)
        return result

    return wrapped


@contextlib.contextmanager
def started(*arguments: object, **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """The same, running beside the test, and no longer than that."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(**{**_command(arguments, {}), **pipes, **options}) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for(condition: Callable[[], object], process: subprocess.Popen[Any]) -> None:
    """Until ``condition()`` holds, however long it takes, or the process ends, which fails."""
    while not condition():
        assert process.poll() is None or condition(), process.communicate()
        time.sleep(0.01)


def rounding(terms: int, dtype: torch.dtype = torch.float32) -> float:
    """How far apart, relatively, two sums of the same ``terms`` positive numbers can be: processors
    add them in orders of their own, and each addition rounds by half of eps at most."""
    return terms * torch.finfo(dtype).eps


def run_here(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    """(exit status, stderr) of a command run in this process, which saves seconds of imports."""
    from fststyle.__main__ import main

    status = main([str(argument) for argument in arguments])
    return status, capsys.readouterr().err


def picture(seed: int, width: int = 64, height: int = 48) -> Image.Image:
    """A smooth colourful picture."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def write_clip(
    path: Path,
    times: list[int],
    *,
    size: tuple[int, int] = (64, 48),
    sound: bool = False,
    pix_fmt: str = "yuv420p",
    full_range: bool = False,
    aspect: Fraction = Fraction(1),
    shown: Sequence[np.ndarray] = (),
) -> None:
    """A clip of the frames ``shown``, or of some that grow brighter to the right and with time;
    ``times`` in 1/1000 s."""
    with av.open(str(path), "w") as container:
        audio: Any = container.add_stream("aac", rate=44100, layout="mono") if sound else None
        video: Any = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = *size, pix_fmt
        video.time_base = video.codec_context.time_base = Fraction(1, 1000)
        video.codec_context.color_range = 2 if full_range else 1
        video.codec_context.sample_aspect_ratio = aspect
        video.codec_context.options = {"crf": "1", "bf": "2", "g": "5"}
        for number, at in enumerate(times):
            pixels = np.zeros((size[1], size[0], 3), np.uint8)
            pixels[:] = np.linspace(20, 180, size[0]).astype(np.uint8)[None, :, None]
            pixels[: size[1] // 2, :, 2] += np.uint8(5 + 2 * (number % 30))
            if shown:
                pixels = np.ascontiguousarray(shown[number][: size[1], : size[0]])
            frame: Any = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame = frame.reformat(format=pix_fmt, dst_color_range=2 if full_range else 1)
            frame.pts, frame.time_base = at, Fraction(1, 1000)
            container.mux(video.encode(frame))
        if audio is not None:
            for start in range(0, 44100 * times[-1] // 1000, 1024):
                tone = np.sin(np.arange(start, start + 1024) / 20)[None].astype(np.float32)
                block = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
                block.sample_rate, block.pts = 44100, start
                container.mux(audio.encode(block))
            container.mux(audio.encode())
        container.mux(video.encode())


def turned(clip: Path, matrix: tuple[float, float, float, float]) -> None:
    """Set an MP4's matrix: x′ = a x + c y, y′ = b x + d y."""
    data = bytearray(clip.read_bytes())
    a, b, c, d = (round(value * 65536) for value in matrix)
    at = data.index(b"tkhd") + 4 + 40
    data[at : at + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    clip.write_bytes(data)


Make = Callable[[Path], object]


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Make], Path]:
    """``shared(name, make)``: the folder that ``make`` filled, once for all the processes that the
    tests are spread over; not to be changed."""
    base = tmp_path_factory.getbasetemp()
    root = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    root.mkdir(exist_ok=True)

    def folder(name: str, make: Make) -> Path:
        with open(root / f"{name}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (root / name).exists():
                beside = root / f"{name}.{os.getpid()}"
                beside.mkdir()
                make(beside)
                beside.rename(root / name)
        return root / name

    return folder


def contrasty(*, mapped: bool = False) -> Any:
    """A style network of width 4 with pictures of contrast and norms of their own, as a trained
    one's; ``mapped`` with a say of maps, too."""
    from fststyle.networks.transform import InstanceNorm, Modulation, TransformNet

    torch.manual_seed(0)
    network = TransformNet(4, mapped=mapped).eval()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, Modulation):
                for parameter in module.parameters():
                    parameter.normal_(std=0.25)
            if isinstance(module, InstanceNorm):
                for parameter in module.parameters():
                    parameter.add_(torch.randn_like(parameter), alpha=0.1)
        network.out.conv.weight.mul_(64)
    return network


@pytest.fixture(scope="session")
def traced_once(shared: Callable[[str, Make], Path]) -> Iterator[None]:
    """Tracing a network for ONNX takes ten seconds and the same network gives the same bytes: from
    here on each is traced once for all tests and processes."""
    from fststyle.deployment import export
    from fststyle.deployment.graph import OPSET, ExportWrapper, to_onnx

    def once(
        wrapper: ExportWrapper, size: tuple[int, int] | None = None, opset: int = OPSET
    ) -> onnx.ModelProto:
        kind = [wrapper, wrapper.uint8, wrapper.dtype, size, opset]
        made_of = hashlib.sha256(repr(kind).encode())
        for name, tensor in wrapper.state_dict().items():
            made_of.update(repr((name, tensor.dtype, tensor.shape)).encode())
            made_of.update(tensor.numpy().tobytes())

        def make(folder: Path) -> None:
            onnx.save_model(to_onnx(wrapper, size, opset), folder / "x.onnx")

        return onnx.load(shared(f"traced-{made_of.hexdigest()}", make) / "x.onnx")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(export, "to_onnx", once)
        yield


@pytest.fixture(scope="session")
def exported(shared: Callable[[str, Make], Path], traced_once: None) -> Callable[..., Path]:
    """``exported(**options)``: ``contrasty`` as an ONNX file, "x.onnx", made with those options of
    ``export`` (and ``mapped``); what that returned is JSON in "found.json" beside it. Tracing takes
    seconds, so each kind is made once."""

    def file(**options: Any) -> Path:
        def make(folder: Path) -> None:
            from fststyle.deployment.export import export_network

            network = contrasty(mapped=options.get("mapped", False))
            others = {name: value for name, value in options.items() if name != "mapped"}
            found = export_network(network, {"step": 3}, folder / "x.onnx", **others)
            (folder / "found.json").write_text(json.dumps(found))

        kinds = [f"{name}={value}".replace(" ", "") for name, value in sorted(options.items())]
        return shared("-".join(["export", *kinds]), make) / "x.onnx"

    return file


@pytest.fixture(scope="session")
def mapless(shared: Callable[[str, Make], Path]) -> Path:
    """A trained style that takes no map, "starry.onnx", bytes in and out: that of
    ``starry_night_live``, which takes one, without it."""

    def make(folder: Path) -> None:
        from fststyle.checkpoints import STYLE, load
        from fststyle.deployment.export import export_network
        from fststyle.networks.transform import TransformNet

        trained = load("starry_night_live", STYLE)
        network = TransformNet(trained.network.width).eval()
        network.load_state_dict(trained.network.state_dict(), strict=False)
        export_network(network, trained.card, folder / "starry.onnx", uint8=True)

    return shared("mapless", make) / "starry.onnx"


@pytest.fixture(scope="session")
def launch() -> Iterator[Callable[..., Any]]:
    """``launch(*flags)``: a Chromium, as Playwright's ``Browser``."""
    with chromiums() as launched:
        yield launched


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for i in range(6):
        picture(i, 60 + i, 50).save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="session")
def painting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("style") / "painting.png"
    picture(99, 80, 64).save(path)
    return path


@pytest.fixture(scope="session")
def vgg_state() -> dict[str, torch.Tensor]:
    """Random weights of VGG-19's first two blocks; He initialization keeps activations alive."""
    from fststyle.networks.vgg import TORCHVISION_INDEX

    random = torch.Generator().manual_seed(0)
    channels, state = 3, dict[str, torch.Tensor]()
    for name, width in (("1_1", 64), ("1_2", 64), ("2_1", 128), ("2_2", 128)):
        key = f"features.{TORCHVISION_INDEX[name]}"
        deviation = (2 / (9 * channels)) ** 0.5
        weight = torch.randn(width, channels, 3, 3, generator=random) * deviation
        state |= {f"{key}.weight": weight, f"{key}.bias": torch.zeros(width)}
        channels = width
    return state


@pytest.fixture(scope="session")
def vgg_file(vgg_state: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vgg") / "vgg.safetensors"
    save_file(vgg_state, path)
    return path


def depth_vgg_state(seed: int) -> dict[str, torch.Tensor]:
    """Random weights of VGG-19 down to what depth is read from."""
    from fststyle.networks.depth_head import LAYERS
    from fststyle.networks.vgg import BLOCKS, CONVS, TORCHVISION_INDEX

    random = torch.Generator().manual_seed(seed)
    channels, state = 3, dict[str, torch.Tensor]()
    for name in CONVS[: CONVS.index(LAYERS[-1].removeprefix("relu")) + 1]:
        width = BLOCKS[int(name[0]) - 1][0]
        deviation = (2 / (9 * channels)) ** 0.5
        weight = torch.randn(width, channels, 3, 3, generator=random) * deviation
        key = f"features.{TORCHVISION_INDEX[name]}"
        # Values that half precision holds, so that files of either kind are of the same weights.
        state |= {f"{key}.weight": weight.half().float(), f"{key}.bias": torch.zeros(width)}
        channels = width
    return state


@pytest.fixture(scope="session")
def deep_vgg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("vgg") / "deep.safetensors"
    save_file(depth_vgg_state(seed=0), path)
    return path


def tiny_run(style: Path, content: Path, vgg: Path, folder: Path) -> list[Any]:
    """A run of ``train`` that takes seconds: options for name "tiny" in ``folder``."""
    return [
        *("--style", style, "--content", content, "--name", "tiny", "--run-dir", folder),
        *("--vgg-weights", vgg, "--style-layers", "relu1_2", "relu2_2", "--no-calibrate"),
        *("--content-layers", "relu2_2", "--init", "none"),
        *("--image-size", 32, "--style-size", 48, "--width", 4, "--steps", 8, "--batch-size", 2),
        *("--checkpoint-interval", 3, "--picture-interval", 4, "--precision", "fp32"),
        *("--device", "cpu", "--style-weight", 0.5, "--method", "plain"),
    ]


@pytest.fixture
def train_options(photos: Path, painting: Path, vgg_file: Path, tmp_path: Path) -> list[Any]:
    """``tiny_run`` in ``tmp_path/run``."""
    return tiny_run(painting, photos, vgg_file, tmp_path / "run")
