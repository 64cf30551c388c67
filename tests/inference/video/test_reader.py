"""What videos say of how they are to be shown, in whatever container; written by PyAV."""

import io
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest

from fststyle.inference.video import reader as video
from fststyle.inference.video.media import is_video
from fststyle.inference.video.reader import VideoSource
from tests.conftest import write_clip
from tests.inference.video.clips import EVEN, SIZE, grey, read, seconds, write

CONTAINERS = [
    (".ts", "mpeg2video"),
    (".mts", "libx264"),
    (".m2ts", "libx264"),
    (".3gp", "h263"),
    (".vob", "mpeg2video"),
    (".mpg", "mpeg1video"),
    (".ogv", "libtheora"),
    (".mxf", "mpeg2video"),
    (".asf", "wmv2"),
    (".wmv", "wmv1"),
    (".flv", "flv"),
    (".avi", "mpeg4"),
    (".mkv", "ffv1"),
    (".webm", "libvpx-vp9"),
    (".mov", "mjpeg"),
    (".h264", "libx264"),
    (".m2v", "mpeg2video"),
    (".ivf", "libvpx"),
    (".nut", "mpeg4"),
    (".y4m", "rawvideo"),
]


@pytest.mark.parametrize(("suffix", "codec"), CONTAINERS)
def test_every_container_is_a_film_by_any_name(suffix: str, codec: str, tmp_path: Path) -> None:
    clip, nameless = tmp_path / f"clip{suffix}", tmp_path / "clip"
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    write(clip, codec, pix_fmt, [grey(i) for i in range(6)])
    nameless.write_bytes(clip.read_bytes())
    assert is_video(clip) and is_video(nameless)
    source, frames, _ = read(nameless)
    assert seconds(source, frames) == pytest.approx([0, 0.04, 0.08, 0.12, 0.16, 0.2], abs=0.002)
    first, last = source.span()
    assert [float(t * source.time_base) for t in (first, last)] == pytest.approx([0, 0.2], abs=2e-3)
    assert source.notes == [] and source.rate == 25
    for number, frame in enumerate(frames):
        assert np.abs(frame.pixels.astype(int) - grey(number)).mean() < 6


@pytest.mark.parametrize(
    "name",
    ["10:30.mp4", "pipe:1", "concat:a|b", "data:,x", "-x.mp4", "a%03d.mp4", "[x]*?.mp4", "file:x"],
)
def test_a_file_is_a_file_whatever_its_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "clip.mp4", EVEN)
    (tmp_path / "clip.mp4").rename(tmp_path / name)
    assert is_video(Path(name))
    assert len(read(name)[1]) == len(EVEN)


def moved(clip: Path, target: Any, by: dict[str, float], form: str | None = None) -> None:
    """The same packets, later by seconds for each kind of stream."""
    options = {} if form else {"avoid_negative_ts": "disabled"}
    with (
        av.open(str(clip)) as container,
        av.open(target if form else str(target), "w", format=form, options=options) as out,
    ):
        copies = {s.index: out.add_stream_from_template(s) for s in container.streams}
        for packet in container.demux():
            if packet.size:
                shift = round(by.get(packet.stream.type, 0) / packet.time_base)
                assert packet.pts is not None and packet.dts is not None
                packet.pts, packet.dts = packet.pts + shift, packet.dts + shift
                packet.stream = copies[packet.stream.index]
                out.mux(packet)


@pytest.mark.parametrize("suffix", [".ts", ".mkv", ".mp4"])
def test_a_film_begins_at_0_and_sound_stays_with_it(suffix: str, tmp_path: Path) -> None:
    """As with ffmpeg: the earliest stream begins at 0, whatever the clock of the recording."""
    clip, late = tmp_path / "clip.mp4", tmp_path / f"late{suffix}"
    write_clip(clip, EVEN, sound=True)
    moved(clip, late, {"audio": 3600, "video": 3602})
    source, frames, packets = read(late)
    sound = [float(p.pts * p.time_base) for p in packets]
    first = seconds(source, frames)[0]
    assert min(first, *sound) == pytest.approx(0, abs=0.025)  # AAC's first packet is silence
    before, old, old_packets = read(clip)
    old_sound = [float(p.pts * p.time_base) for p in old_packets]
    gap = seconds(before, old)[0] - old_sound[0]
    assert first - sound[0] == pytest.approx(gap + 2, abs=2e-3)
    assert len(sound) == len(old_sound) and float(source.start) > 3599


def test_clocks_that_jump_are_joined(tmp_path: Path) -> None:
    """A broadcast's, an hour ahead and back: neither an hour's gap nor frames before others."""
    clip, joined = tmp_path / "clip.mp4", tmp_path / "joined.ts"
    write_clip(clip, EVEN)
    parts = []
    for shift in (0.0, 3600.0, 0.0):
        part = io.BytesIO()
        moved(clip, part, {"video": shift}, "mpegts")
        parts.append(part.getvalue())
    joined.write_bytes(b"".join(parts))
    source, frames, _ = read(joined)
    times = seconds(source, frames)
    assert len(times) >= 3 * len(EVEN) - 3
    assert times == sorted(times) and times[-1] < 1 and max(np.diff(times)) < 0.25
    assert [float(t * source.time_base) for t in source.span()] == pytest.approx(
        [times[0], times[-1]], abs=0.05
    )


def test_the_last_frame_is_not_shown_for_longer_than_the_film(tmp_path: Path) -> None:
    """Matroska says nothing of single frames, and FFmpeg takes what they have on average."""
    write_clip(tmp_path / "clip.mp4", [0, 40, 2000, 6000, 8000])
    with_the_header_first(tmp_path / "clip.mp4", tmp_path / "clip.mkv", lasts=Fraction(1, 25))
    source, frames, _ = read(tmp_path / "clip.mkv")
    guessed = SimpleNamespace(duration=1377)
    assert [source._duration(guessed, frame.pts) for frame in frames] == [*4 * [1377], 40]


def test_an_avi_with_gaps_keeps_its_times(tmp_path: Path) -> None:
    """It says "as before" by packets of no bytes, which would be the end to a decoder."""
    clip = tmp_path / "clip.avi"
    write(clip, "mpeg4", "yuv420p", [grey(i) for i in range(5)], ticks=[0, 1, 4, 5, 9])
    source, frames, _ = read(clip)
    assert seconds(source, frames) == pytest.approx([0, 0.04, 0.16, 0.2, 0.36])


def test_frames_of_an_avi_with_b_frames_come_evenly(tmp_path: Path) -> None:
    """It says when they are decoded, and nothing of when they are shown."""
    clip = tmp_path / "clip.avi"
    shown = [grey(i) for i in range(10)]
    write(clip, "libx264", "yuv420p", shown, options={"bf": "3", "b-adapt": "0"})
    source, frames, _ = read(clip)
    assert seconds(source, frames) == pytest.approx([0.04 * i for i in range(10)], abs=0.001)
    assert source.span() == (frames[0].pts, frames[-1].pts)
    brightness = [frame.pixels.mean() for frame in frames]
    assert brightness == sorted(brightness)


def with_cover(path: Path, film: bool) -> None:
    """A cover as the first stream, sound, and perhaps a film after it."""
    with av.open(str(path), "w", format="mp4") as container:
        cover: Any = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 320, 320, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        tone: Any = container.add_stream("aac", rate=44100, layout="mono")
        movie: Any = container.add_stream("mpeg4", rate=25) if film else None
        if movie is not None:
            movie.width, movie.height, movie.pix_fmt = *SIZE, "yuv420p"
        packets = cover.encode(av.VideoFrame.from_ndarray(grey(0, (320, 320)), format="rgb24"))
        container.mux([*packets, *cover.encode()])
        for number in range(4):
            block = av.AudioFrame.from_ndarray(
                np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
            )
            block.sample_rate, block.pts = 44100, 1024 * number
            container.mux(tone.encode(block))
            if movie is not None:
                frame: Any = av.VideoFrame.from_ndarray(grey(number), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                container.mux(movie.encode(frame))
        container.mux(tone.encode())
        if movie is not None:
            container.mux(movie.encode())


def test_covers_are_no_films(tmp_path: Path) -> None:
    with_cover(tmp_path / "film.mp4", film=True)
    source, frames, _ = read(tmp_path / "film.mp4")
    assert (source.width, source.height, len(frames)) == (*SIZE, 4) and source.notes == []
    with_cover(tmp_path / "song.m4a", film=False)
    assert not is_video(tmp_path / "song.m4a")
    with pytest.raises(ValueError, match="holds no video stream but a cover picture"):
        VideoSource(str(tmp_path / "song.m4a"))


def test_of_several_films_the_largest_is_taken_and_it_is_said(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mkv"
    with av.open(str(clip), "w") as container:
        streams: list[Any] = [container.add_stream("ffv1", rate=25) for _ in range(2)]
        for stream, size in zip(streams, ((64, 48), SIZE), strict=True):
            stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
            stream.disposition = av.stream.Disposition(0)
        for number in range(3):
            for stream, size in zip(streams, ((64, 48), SIZE), strict=True):
                frame: Any = av.VideoFrame.from_ndarray(grey(number, size), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                container.mux(stream.encode(frame))
    source, frames, _ = read(clip)
    assert len(frames) == 3 and frames[0].pixels.shape == (SIZE[1], SIZE[0], 3)
    assert source.notes == ["1 more video stream(s) in it are left out"]


def test_much_sound_before_the_first_frame_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip, late = tmp_path / "clip.mp4", tmp_path / "late.mkv"
    write_clip(clip, [40 * i for i in range(20)], sound=True)
    moved(clip, late, {"video": 5})
    _, frames, packets = read(late)
    first = [p for p in packets if p.pts * p.time_base < 1]
    assert len(first) > 20
    monkeypatch.setattr(video, "EARLY", 1000)
    source, again, same = read(late)
    assert [bytes(packet) for packet in same] == [bytes(packet) for packet in packets]
    assert [frame.pts for frame in again] == [frame.pts for frame in frames]
    assert source.corrupt == 0


def with_the_header_first(clip: Path, target: Path, lasts: Fraction | None = None) -> None:
    """Its packets, in a file that can be read from its first bytes on; ``lasts``: seconds that each
    is said to be shown."""
    options = {"movflags": "faststart"} if target.suffix == ".mp4" else {}
    with av.open(str(clip)) as container, av.open(str(target), "w", options=options) as out:
        stream = out.add_stream_from_template(container.streams.video[0])
        for packet in container.demux():
            if packet.size:
                if lasts is not None:
                    packet.duration = round(lasts / packet.time_base)
                packet.stream = stream
                out.mux(packet)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
def test_a_file_that_is_cut_off_says_so(suffix: str, tmp_path: Path) -> None:
    clip, whole = tmp_path / f"cut{suffix}", tmp_path / "clip.mp4"
    write_clip(whole, [40 * i for i in range(100)])
    with_the_header_first(whole, clip)
    source, frames, _ = read(clip)
    assert len(frames) == 100 and source.failure == ""
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    source, frames, _ = read(clip)
    assert 10 < len(frames) < 90 and "it ends after" in source.failure


def test_frames_before_a_packet_that_is_cut_off_are_read(tmp_path: Path) -> None:
    whole, clip = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    write(whole, "libx264", "yuv420p", [grey(i) for i in range(20)], options={"bf": "2"})
    with_the_header_first(whole, clip)
    clip.write_bytes(clip.read_bytes()[:-10])
    source, frames, _ = read(clip)
    assert len(frames) == 19 and source.failure == "it is cut off"


def test_one_frame_and_none(tmp_path: Path) -> None:
    write(tmp_path / "one.mkv", "ffv1", "yuv420p", [grey(0)])
    source, frames, _ = read(tmp_path / "one.mkv")
    assert [frame.pts for frame in frames] == [0] and source.span() == (0, 0)
    with av.open(str(tmp_path / "none.mp4"), "w") as container:
        stream: Any = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        container.start_encoding()
    with pytest.raises(ValueError, match="none.mp4: "):
        VideoSource(str(tmp_path / "none.mp4"))
