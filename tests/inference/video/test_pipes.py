"""Films on standard input and output: real pipes, their other ends held by FFmpeg."""

import contextlib
import fcntl
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import av
import numpy as np
import pytest

from fststyle.inference.video.formats import piped_name
from fststyle.inference.video.reader import Frame, VideoSource
from tests.conftest import picture, run_here, started, write_clip

SIZE = (64, 48)
BYTES = SIZE[0] * SIZE[1] * 3
RAW = ("rgb:64x48@25", "--output", "rgb:-", "--provider", "cpu", "--steady", 0)
EVEN = [40 * i for i in range(12)]
PLAIN = ("--provider", "cpu", "--strength", 0)
"""What goes in comes out."""

needs_ffmpeg = pytest.mark.skipif(not shutil.which("ffmpeg"), reason="there is no ffmpeg")


@pytest.fixture
def model(exported: Callable[..., Path]) -> Path:
    return exported(uint8=True)


@contextlib.contextmanager
def piped(*arguments: object, **options: Any) -> Iterator[Any]:
    """``infer``, whose input and output are pipes of bytes."""
    pipes = {"stdin": subprocess.PIPE, "text": False, **options}
    with started("infer", *arguments, **pipes) as process:
        yield process


def sent(*arguments: object, given: bytes | IO[bytes] = b"") -> tuple[int, bytes, str]:
    """(exit status, standard output, standard error) of ``infer`` with ``given`` on its input."""
    reads = subprocess.PIPE if isinstance(given, bytes) else given
    with piped(*arguments, stdin=reads) as process:
        output, errors = process.communicate(given if isinstance(given, bytes) else None)
        return process.returncode, output, errors.decode()


def raw(count: int) -> bytes:
    return np.random.default_rng(0).integers(0, 256, count * BYTES, np.uint8).tobytes()


def pixels_of(film: Path) -> np.ndarray:
    source = VideoSource(str(film))
    frames = [item.pixels for item in source if isinstance(item, Frame)]
    source.close()
    return np.stack(frames).astype(int)


@needs_ffmpeg
@pytest.mark.parametrize(
    ("size", "pix_fmt", "full_range", "matrix"),
    [
        ((64, 48), "yuv420p", False, "bt601"),
        ((65, 49), "yuv444p", True, "bt601"),
        ((48, 720), "yuv420p", False, "bt709"),
    ],
)
def test_between_two_ffmpegs(
    model: Path,
    tmp_path: Path,
    size: tuple[int, int],
    pix_fmt: str,
    full_range: bool,
    matrix: str,
) -> None:
    """Colours stay, as FFmpeg sees them when it is told what YUV4MPEG cannot say, the matrix that
    is usual for the size; chroma is where the header says, in the middle."""
    clip, target = tmp_path / "clip.mkv", tmp_path / "film.rgb"
    colorful = [np.asarray(picture(number, *size)) for number in range(len(EVEN))]
    write_clip(clip, EVEN, size=size, pix_fmt=pix_fmt, full_range=full_range, shown=colorful)
    ffmpeg = ("ffmpeg", "-loglevel", "error", "-i")
    there = [*ffmpeg, str(clip), "-f", "yuv4mpegpipe", "-strict", "-1", "-"]
    scale = f"scale=in_color_matrix={matrix}:flags=full_chroma_int+accurate_rnd"
    back = [*ffmpeg, "-", "-vf", scale, "-pix_fmt", "rgb24", "-f", "rawvideo", str(target)]
    nothing, pipe = subprocess.DEVNULL, subprocess.PIPE
    with subprocess.Popen(there, stdin=nothing, stdout=pipe) as source:
        assert source.stdout is not None
        status, film, said = sent(model, "-", "--output", "-", *PLAIN, given=source.stdout)
    assert status == 0 and "stdout.y4m: 12 frames" in said and source.returncode == 0
    header = film.partition(b"\n")[0].decode()
    assert header.startswith(f"YUV4MPEG2 W{size[0]} H{size[1]} F25:1 Ip")
    assert "C420jpeg" in header and "XCOLORRANGE=LIMITED" in header
    subprocess.run(back, input=film, check=True)
    shown = np.fromfile(target, np.uint8).reshape(-1, size[1], size[0], 3).astype(int)
    difference = np.abs(shown - pixels_of(clip))
    assert len(shown) == len(EVEN) and difference.mean() < 2 and difference.max() < 16


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ({}, ("--keep-color",)),
        ({"mapped": True}, ("--near", 0.8, "--far", 0.1, "--max-size", 48)),
        ({"mapped": True}, ("--mask", "clip.mkv", "--map", "none", "--steady", 0)),
    ],
)
def test_a_pipe_gets_what_a_file_gets(
    exported: Callable[..., Path],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    kind: dict[str, bool],
    options: tuple[object, ...],
) -> None:
    """Steady strokes, depth and masks included, bit by bit."""
    clip, target = tmp_path / "clip.mkv", tmp_path / "film.y4m"
    write_clip(clip, EVEN)
    model = exported(uint8=True, **kind)
    words = [str(clip) if word == "clip.mkv" else word for word in options]
    words += ["--provider", "cpu", "--threads", 1]
    assert run_here(capfd, "infer", model, clip, "--output", target, *words)[0] == 0
    status, film, said = sent(model, "-", "--output", "-", *words, given=clip.read_bytes())
    assert status == 0, said
    assert film == target.read_bytes() and film.count(b"FRAME\n") == len(EVEN)


def test_bare_bytes_go_through_as_they_are(model: Path) -> None:
    frames = raw(5)
    status, film, said = sent(model, *RAW, "--strength", 0, given=frames)
    assert status == 0 and film == frames and "stdout.rgb: 5 frames" in said
    status, film, said = sent(model, *RAW, "--strength", 0, given=frames[:-100])
    assert film == frames[:-BYTES]
    assert status == 1 and "1 corrupt frame(s) passed over" in said


def test_sound_goes_along_where_the_container_has_it(model: Path, tmp_path: Path) -> None:
    clip, piped, filed = (tmp_path / name for name in ("clip.mkv", "piped.mkv", "filed.mp4"))
    write_clip(clip, EVEN, sound=True)
    status, film, _ = sent(model, "-", "--output", "mkv:-", *PLAIN, given=clip.read_bytes())
    assert status == 0
    piped.write_bytes(film)
    assert sent(model, "-", "--output", filed, *PLAIN, given=clip.read_bytes())[0] == 0
    for made in (piped, filed):
        with av.open(str(made)) as container:
            kinds = [packet.stream.type for packet in container.demux() if packet.size]
        assert kinds.count("video") == len(EVEN) and kinds.count("audio") > 10


def test_a_film_at_an_uneven_rate_is_sent_at_an_even_one(model: Path, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mkv"
    write_clip(clip, [0, 40, 80, 200, 240])
    status, film, _ = sent(model, clip, "--output", "-", *PLAIN)
    assert status == 0
    (tmp_path / "film.y4m").write_bytes(film)
    with av.open(str(tmp_path / "film.y4m")) as container:
        frames: list[Any] = list(container.decode(video=0))
    assert [frame.pts * frame.time_base for frame in frames] == [Fraction(i, 25) for i in range(7)]


def feed(process: Any, frames: bytes) -> None:
    process.stdin.write(frames)
    process.stdin.flush()


def finish(process: Any, frames: bytes) -> tuple[bytes, bytes]:
    """(what else comes out, what was said) once the last ``frames`` are fed. ``communicate`` would
    leave out what waits in the buffers of those who have read before."""
    with contextlib.suppress(BrokenPipeError):  # one that was stopped may have left
        feed(process, frames)
        process.stdin.close()
    ends = process.stdout.read(), process.stderr.read()
    process.wait()
    return ends


def test_frames_come_while_others_are_still_to_be_sent(model: Path) -> None:
    """All but one, since the next says how long a frame is shown."""
    frames = raw(4)
    with piped(model, *RAW, "--strength", 0) as process:
        for number in range(3):
            feed(process, frames[number * BYTES : (number + 1) * BYTES])
            if number:
                shown = process.stdout.read(BYTES)
                assert shown == frames[(number - 1) * BYTES : number * BYTES]
        assert finish(process, frames[3 * BYTES :])[0] == frames[2 * BYTES :]
    assert process.returncode == 0


def test_a_reader_that_leaves_ends_it_well(model: Path, tmp_path: Path) -> None:
    write_clip(tmp_path / "clip.mkv", [40 * i for i in range(120)])  # more than a pipe holds
    for output in ("rgb:-", "-", "mkv:-"):
        words = (model, tmp_path / "clip.mkv", "--output", output, "--provider", "cpu")
        with piped(*words) as process:
            process.stdout.read(10)
            process.stdout.close()
            said = process.stderr.read().decode()
        assert process.returncode == 0 and "Traceback" not in said
        assert "nobody reads the frames any more" in said


def test_ctrl_c_leaves_whole_frames(model: Path) -> None:
    frames = raw(6)
    with piped(model, *RAW, "--strength", 0) as process:
        feed(process, frames[: 3 * BYTES])
        first = process.stdout.read(BYTES)
        process.send_signal(signal.SIGINT)
        rest, said = finish(process, frames[3 * BYTES :])
    film = first + rest
    assert process.returncode == 130 and b"stopped" in said
    assert len(film) % BYTES == 0 and frames.startswith(film)


@pytest.mark.parametrize("count", [0, 3])
def test_ctrl_c_ends_a_pipe_that_is_silent(model: Path, count: int) -> None:
    frames = raw(3)[: count * BYTES]
    with piped(model, *RAW, "--strength", 0) as process:
        feed(process, frames)
        # The line before reading begins; of a frame that came, another.
        said = process.stderr.readline()
        film = process.stdout.read(BYTES) if count else b""
        process.send_signal(signal.SIGINT)
        film += process.stdout.read()
        said += process.stderr.read()
        assert process.wait() == 130 and b"Traceback" not in said
        process.stdin.close()  # which was open until now
    assert film == frames


def waiting(pipe: IO[bytes]) -> int:
    """Bytes that nobody has read yet."""
    (count,) = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)))
    return int(count)


@pytest.mark.parametrize("output", ["-", "rgb:-"])
def test_ctrl_c_ends_where_nobody_reads(model: Path, tmp_path: Path, output: str) -> None:
    write_clip(tmp_path / "clip.mkv", [40 * i for i in range(400)])  # more than a pipe holds
    words = (model, tmp_path / "clip.mkv", "--output", output, *PLAIN, "--steady", 0)
    with piped(*words) as process:
        process.stdout.read(10)
        before = -1
        while (now := waiting(process.stdout)) != before or not now:
            before = now
            time.sleep(1)  # until no more goes in
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        said = process.stderr.read().decode()
        assert "nobody reads the frames any more" in said and "Traceback" not in said


def test_half_a_frame_at_the_end_is_said(model: Path, tmp_path: Path) -> None:
    frame = b"FRAME\n" + bytes(64 * 48 * 3 // 2)
    film = b"YUV4MPEG2 W64 H48 F25:1 Ip A1:1 C420jpeg\n" + 3 * frame
    (tmp_path / "cut.y4m").write_bytes(film[:-50])
    out = tmp_path / "out.y4m"
    for source, given in (("-", film[:-50]), (tmp_path / "cut.y4m", b"")):
        words = ("--output", out, "--overwrite", *PLAIN)
        status, _, said = sent(model, source, *words, given=given)
        assert status == 1 and "it ends within a frame" in said
        assert out.read_bytes().count(b"FRAME\n") == 2
    assert sent(model, "-", "--output", out, "--overwrite", *PLAIN, given=film)[0] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-", "--output", "-"), "-: standard input holds no video that can be read"),
        (("rgb:64x48", "--output", "-"), "rgb:64x48: .*no size and rate, as rgb:640x360@25 does"),
        (("-", "--output", "mp4:-"), "--output mp4:-: cannot be written to a pipe; use - or y4m:-"),
        (("-", "camera:0", "--output", "-"), "a pipe, a virtual camera and --show go alone"),
        (("-",), "-: add --show, or --output FILE.mp4"),
    ],
)
def test_what_cannot_be_piped_is_said(
    model: Path, tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    status, film, errors = sent(model, *words, "--provider", "cpu")
    assert status == 2 and not film and "Traceback" not in errors
    assert re.search(said, errors), errors


def test_frames_are_not_sent_to_a_terminal(model: Path) -> None:
    reader, terminal = pty.openpty()
    with piped(model, "-", "--output", "-", stdout=terminal) as process:
        said = process.communicate()[1].decode()
    os.close(terminal)
    os.close(reader)
    assert process.returncode == 2 and "send them to a program that reads them" in said


def test_names_of_what_is_piped() -> None:
    names = {"-": "stdout.y4m", "rgb:-": "stdout.rgb", "mkv:-": "stdout.mkv", "./a:-": None}
    names |= {"out": None, "a-": None, "camera:0": None}
    for output, name in names.items():
        assert piped_name(output) == (name and Path(name)), output
