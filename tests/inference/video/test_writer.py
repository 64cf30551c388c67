"""Films that are written, as PyAV and Pillow read them: containers, encoders, time, alpha."""

import contextlib
import resource
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from fststyle.inference.video.conversion import SDR
from fststyle.inference.video.encoding import choose_encoding
from fststyle.inference.video.formats import CONTAINERS, Container, check_video_name, output_name
from fststyle.inference.video.pipeline import open_target, report, stylize_video
from fststyle.inference.video.reader import Frame, VideoSource
from fststyle.inference.video.writer import VideoTarget
from tests.conftest import write_clip

EVEN = [40 * i for i in range(10)]


def source(**changes: Any) -> Any:
    """What targets ask of a source, without a file."""
    given = {
        "width": 64,
        "height": 48,
        "rate": Fraction(25),
        "time_base": Fraction(1, 1000),
        "aspect": Fraction(1),
        "color": SDR,
        "has_alpha": False,
        "loop": None,
        "start": Fraction(0),
        "others": [],
        "container": None,
        "stream": None,
    }
    return SimpleNamespace(**{**given, **changes})


def frames(times: list[int], last: int, size: tuple[int, int] = (64, 48)) -> list[Frame]:
    """One colour each, growing brighter; times and the last one's duration in 1/1000 s."""
    made = []
    for number, (at, end) in enumerate(zip(times, [*times[1:], times[-1] + last], strict=True)):
        pixels = np.full((size[1], size[0], 3), 20 + 20 * number, np.uint8)
        made.append(Frame(pixels, at, end - at))
    return made


def write(path: Path, given: Any, items: list[Frame], codec: str | None = None) -> None:
    target = VideoTarget(path, path, given, codec, 16)
    for item in items:
        target.put(item)
    target.close()


def shown(path: Path) -> list[float]:
    """When each frame is shown, in seconds."""
    with av.open(str(path)) as container:
        return [float(frame.time or 0) for frame in container.decode(video=0)]


def length(path: Path) -> float:
    """Of the container, in seconds."""
    with av.open(str(path)) as container:
        return float(container.duration or 0) / av.time_base


# Bare bytes, .rgb, are read in test_pipes.py.
@pytest.mark.parametrize("suffix", sorted(set(CONTAINERS) - {".webp", ".png", ".apng", ".rgb"}))
def test_every_container_gets_an_encoder_that_fits(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"film{suffix}"
    write(path, source(), frames(EVEN, 40))
    times = shown(path)
    assert len(times) == 10
    assert np.diff(times) == pytest.approx([0.04] * 9, abs=2e-3)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (64, 48)
        if suffix == ".webm":
            assert stream.codec_context.name == "vp9"


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".avi"])
def test_the_last_frame_stays_as_long_as_it_is_to(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"film{suffix}"
    write(path, source(), frames([0, 100, 300, 350, 650, 750], 700))
    assert length(path) == pytest.approx(1.45, abs=0.045)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_what_is_said_of_earlier_frames_lengthens_no_film(suffix: str, tmp_path: Path) -> None:
    """MP4's durations are those to the next frame that is decoded: anything, of B frames."""
    path = tmp_path / f"film{suffix}"
    items = frames([0, 100, 300, 350, 650, 750], 700)
    write(path, source(), [frame._replace(duration=4000) for frame in items[:-1]] + items[-1:])
    assert length(path) == pytest.approx(1.45, abs=0.045)
    if suffix == ".mp4":  # whose edit list says it, too: after its version and count
        data = path.read_bytes()
        listed = data.index(b"elst") + 12
        assert int.from_bytes(data[listed : listed + 4], "big") < 1600


def test_containers_of_one_rate_repeat_frames_and_lose_none(tmp_path: Path) -> None:
    path = tmp_path / "film.avi"
    stream = SimpleNamespace(base_rate=Fraction(20))
    given = source(rate=Fraction(4), stream=stream)
    write(path, given, frames([0, 100, 300, 350], 50))
    with av.open(str(path)) as container:
        pictures = [f.to_ndarray(format="gray").mean() for f in container.decode(video=0)]
    assert np.round((np.array(pictures) - 20) / 20).tolist() == [0, 0, 1, 1, 1, 1, 2, 3]


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "libvpx-vp9", "prores_ks", "png"])
def test_odd_sides_stay(codec: str, tmp_path: Path) -> None:
    path = tmp_path / "film.mov" if codec in ("prores_ks", "png") else tmp_path / "film.mkv"
    write(path, source(width=65, height=47), frames(EVEN, 40, (65, 47)), codec)
    with av.open(str(path)) as container:
        (first, *_) = container.decode(video=0)
    assert (first.width, first.height) == (65, 47)
    assert first.to_ndarray(format="rgb24").mean() == pytest.approx(20, abs=2)


def test_units_of_time_that_encoders_do_not_know(tmp_path: Path) -> None:
    """A slide show of a picture in two seconds; MPEG-4 at 90 kHz."""
    slides = [Frame(f.pixels, i, 1) for i, f in enumerate(frames(EVEN, 40))]
    write(tmp_path / "a.webm", source(time_base=Fraction(2), rate=Fraction(1, 2)), slides)
    assert shown(tmp_path / "a.webm") == [2 * i for i in range(10)]
    ticks = [Frame(f.pixels, 3600 * i, 3600) for i, f in enumerate(slides)]
    write(tmp_path / "a.mp4", source(time_base=Fraction(1, 90000)), ticks, "mpeg4")
    assert shown(tmp_path / "a.mp4") == pytest.approx([0.04 * i for i in range(10)])


@pytest.mark.parametrize(
    ("name", "codec", "reason"),
    [
        ("film.webm", "libx264", "'webm' format does not support 'libx264' codec"),
        ("film.ts", "libvpx-vp9", "'mpegts' format does not support 'libvpx-vp9' codec"),
        ("film.mp4", "nonsense", "no encoder nonsense"),
        ("film.mp4", "aac", "aac encodes no video"),
    ],
)
def test_a_codec_that_does_not_fit_is_refused_at_once(
    name: str, codec: str, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=f"{name}: cannot be written with codec {codec}.*{reason}"):
        VideoTarget(tmp_path / name, Path(name), source(), codec, 16)
    assert not list(tmp_path.iterdir())


def test_what_a_build_lacks_is_replaced_by_the_next_best() -> None:
    container = Container("mp4", ("libmissing", "mpeg4"))
    encoding, notes = choose_encoding(Path("film.mp4"), container, source(), None, 16)
    assert encoding.codec == "mpeg4" and "no encoder libmissing: mpeg4" in notes[0]


@pytest.mark.parametrize("codec", ["libx264", "mpeg4", "mpeg2video", "libvpx"])
def test_quality_means_something_to_every_encoder(codec: str, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    noise = [Frame(random.integers(0, 256, (48, 64, 3), np.uint8), at, 40) for at in EVEN]
    sizes = []
    for quality in (4, 50):
        path = tmp_path / f"{quality}.mkv"
        target = VideoTarget(path, path, source(), codec, quality)
        for item in noise:
            target.put(item)
        target.close()
        sizes.append(path.stat().st_size)
    assert sizes[1] < 0.5 * sizes[0]


def transparent(times: list[int], last: int) -> list[Frame]:
    """The left half is clear, a quarter half so."""
    made = []
    for frame in frames(times, last):
        alpha = np.full((48, 64), 255, np.uint8)
        alpha[:, :32], alpha[:, 48:] = 0, 128
        frame.pixels[:, :32] = 255
        made.append(frame._replace(alpha=alpha))
    return made


@pytest.mark.parametrize(
    ("suffix", "decoder"), [(".webm", "libvpx-vp9"), (".mkv", "libvpx-vp9"), (".mov", None)]
)
def test_films_keep_transparency(suffix: str, decoder: str | None, tmp_path: Path) -> None:
    path = tmp_path / f"film{suffix}"
    write(path, source(has_alpha=True), transparent(EVEN, 40))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context: Any = av.CodecContext.create(decoder, "r") if decoder else stream.codec_context
        packet = next(packet for packet in container.demux(stream) if packet.size)
        picture = (
            (context.decode(packet) or context.decode(None))[0]
            .to_ndarray(format="rgba")
            .astype(int)
        )
    assert picture[24, [16, 40, 56], 3] == pytest.approx([0, 255, 128], abs=3)


def test_what_holds_no_transparency_shows_white(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "film.mp4"
    write(path, source(has_alpha=True), transparent(EVEN, 40))
    with av.open(str(path)) as container:
        picture = next(container.decode(video=0)).to_ndarray(format="rgb24")
    assert picture[24, [16, 40, 56], 0] == pytest.approx([255, 20, 137], abs=4)
    assert capsys.readouterr().err.count("transparency is laid on white") == 1


@pytest.mark.parametrize("suffix", [".webp", ".png", ".gif"])
def test_moving_pictures(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"moving{suffix}"
    given = source(has_alpha=True, loop=3)
    with contextlib.ExitStack() as stack:
        target, _ = open_target(stack, path, given, frames=False, codec=None, quality=16)
        for frame in transparent([0, 100, 300, 350], 700):
            target.put(frame)
        target.close()
    with Image.open(path) as image:
        durations = []
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            image.load()
            durations.append(image.info["duration"])
        image.seek(0)
        clear, solid, half = np.array(image.convert("RGBA"))[24, [16, 40, 56]].tolist()
        loop = image.info["loop"]
    assert durations == [100, 200, 50, 700]
    assert loop == (2 if suffix == ".gif" else 3), "a GIF's is how often it is repeated"
    assert clear[3] == 0 and solid[3] == 255 and solid[:3] == pytest.approx([20] * 3, abs=2)
    assert half[3] == (255 if suffix == ".gif" else pytest.approx(128, abs=2))


@pytest.mark.parametrize("rate", [50, 100, 120, 240, 1000])
def test_gifs_of_many_frames_a_second_become_no_longer(
    rate: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What they know no moment for is left out."""
    path, count = tmp_path / "a.gif", rate // 5
    given = source(time_base=Fraction(1, rate), rate=Fraction(rate))
    with contextlib.ExitStack() as stack:
        target, _ = open_target(stack, path, given, frames=False, codec=None, quality=16)
        for number in range(count):
            target.put(Frame(np.full((48, 64, 3), number, np.uint8), number, 1))
        target.close()
    with Image.open(path) as image:
        shown, durations = getattr(image, "n_frames", 1), []
        for number in range(shown):
            image.seek(number)
            durations.append(image.info["duration"])
    assert sum(durations) == 200 and min(durations) >= 10
    said = capsys.readouterr().err
    assert shown == min(count, 20) and (f"{count - shown} frame(s) are left out" in said) == (
        rate > 100
    )


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    """In a process of its own, whose files may have 20 kB only."""
    write_clip(tmp_path / "clip.mp4", [40 * i for i in range(60)], size=(160, 120))
    code = (
        "import sys, numpy as np; from pathlib import Path\n"
        "from fststyle.inference.video.reader import VideoSource\n"
        "from fststyle.inference.video.pipeline import stylize_video\n"
        "noise = lambda f, *_: [np.random.default_rng(0).integers(0, 256, f.shape, np.uint8)]\n"
        "try:\n"
        "    stylize_video(VideoSource(sys.argv[1]), [Path(sys.argv[2])], noise, codec=None,\n"
        "        quality=16, stopped=lambda: False)\n"
        "except OSError as error: print(error)\n"
    )
    limit = (20_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1])
    made = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "clip.mp4", tmp_path / "out.mp4"],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
    )
    assert "out.mp4" in made.stdout and "File too large" in made.stdout, made.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_frames_that_a_container_refuses_are_told_and_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_clip(tmp_path / "clip.mp4", EVEN)
    whole, torn, place = tmp_path / "whole.mkv", tmp_path / "torn.mkv", VideoTarget._mux

    def refusing(self: VideoTarget, packet: Any, what: str) -> None:
        if self._name == torn and self.frames in (3, 4):
            packet.pts, packet.dts = 0, 10**6  # which no container takes
        place(self, packet, what)

    monkeypatch.setattr(VideoTarget, "_mux", refusing)
    result = stylize_video(
        VideoSource(str(tmp_path / "clip.mp4")),
        [whole, torn],
        lambda given, *_: [given, given],
        codec="mpeg4",
        quality=16,
        stopped=lambda: False,
    )
    reason = report(result, "clip.mp4")
    said = capsys.readouterr().out
    assert reason == f"clip.mp4: 2 frame(s) are not in {torn}, whose container refuses them"
    assert f"{whole}: 10 frames" in said and f"{torn}: 8 of 10 frames" in said
    assert len(shown(whole)) == 10 and len(shown(torn)) == 8


def test_names_of_what_is_written() -> None:
    names = ("a.mp4", "a.MKV", "a.avi", "a.webm", "a.webp", "a.png", "a.gif", "a.b.ts")
    made = ("a.mp4", "a.MKV", "a.avi.mp4", "a.webm", "a.webp", "a.png", "a.gif", "a.b.ts.mp4")
    assert [output_name(Path(name)).name for name in names] == list(made)
    with pytest.raises(ValueError, match=r"a.jpg: cannot write such a video; use .3gp, "):
        check_video_name(Path("a.jpg"))


@pytest.mark.parametrize("name", ["10:30.mp4", "pipe:1.mp4", "-film.mkv", "50%d.mov", "a\\b.mp4"])
def test_names_are_no_addresses(name: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path(name), source(), frames(EVEN, 40))
    assert (tmp_path / name).stat().st_size > 500


def run(clip: Path, target: Path, **options: Any) -> Any:
    """Through the pipeline, with pixels as they are."""
    settings: dict[str, Any] = {
        "effect": lambda given, *_: [given],
        "codec": None,
        "quality": 16,
        "stopped": lambda: False,
    }
    return stylize_video(VideoSource(str(clip)), [target], **{**settings, **options})
