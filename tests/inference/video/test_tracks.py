"""What films have beside their frames, as PyAV reads it: sound, subtitles, tags, chapters."""

import io
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import av
import numpy as np
import pytest
from av.subtitles.subtitle import AssSubtitle
from PIL import Image

from fststyle.inference.video.formats import Container
from fststyle.inference.video.pipeline import stylize_video
from fststyle.inference.video.reader import VideoSource
from fststyle.inference.video.tags import chapters
from fststyle.inference.video.tracks import label, track_options
from fststyle.inference.video.writer import copy_packet

TEXT = ((80, 120, "Hello"), (240, 160, "Bye"))
"""Milliseconds from the start, milliseconds long, what is said."""


def tone(container: Any, codec: str, layout: str = "mono") -> Any:
    """A stream of sound, and a function that writes half a second of it."""
    stream = container.add_stream(codec, rate=48000, layout=layout)

    def play() -> None:
        count = 1024
        for start in range(0, 24000, count):
            wave = 0.3 * np.sin(np.arange(start, start + count) * 2 * np.pi * 440 / 48000)
            channels = stream.codec_context.layout.nb_channels
            data = np.tile(wave.astype(np.float32), (channels, 1))
            frame = av.AudioFrame.from_ndarray(data, format="fltp", layout=layout)
            frame.sample_rate, frame.pts = 48000, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))

    return stream, play


def make(
    path: Path,
    *,
    sounds: Sequence[str] = (),
    layout: str = "mono",
    text: bool = False,
    font: bool = False,
    tags: bool = False,
    **options: Any,
) -> None:
    """Half a second of film."""
    with av.open(str(path), "w", **options) as container:
        video: Any = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        tones = [tone(container, codec, layout) for codec in sounds]
        if tags:
            container.metadata.update(
                {"title": "Our film", "creation_time": "2020-01-02T03:04:05.000000Z"}
            )
            video.metadata["timecode"] = "01:00:00:00"
            for number, (stream, _) in enumerate(tones):
                stream.metadata.update({"language": ["eng", "ger"][number]})
                stream.disposition = [0, 1][number]
            marks = [("One", 0, 200), ("Two", 200, 400)]
            container.set_chapters(
                [
                    {
                        "id": number,
                        "start": start,
                        "end": end,
                        "time_base": Fraction(1, 1000),
                        "metadata": {"title": title},
                    }
                    for number, (title, start, end) in enumerate(marks)
                ]
            )
        if text:
            subtitles = container.add_mux_stream("subrip")
            subtitles.time_base = Fraction(1, 1000)
            subtitles.metadata["language"] = "fre"
            subtitles.disposition = 64  # forced
        if font:
            container.add_attachment("a.ttf", "font/ttf", b"font" * 100)
        for number in range(12):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 9 * number, np.uint8))
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for _, play in tones:
            play()
        for at, duration, said in TEXT if text else ():
            packet: Any = av.Packet(said.encode())
            packet.stream, packet.time_base = subtitles, Fraction(1, 1000)
            packet.pts, packet.dts, packet.duration = at, at, duration
            container.mux(packet)


def copy(path: Path, target: Path, **options: Any) -> Any:
    """Through the pipeline, with pixels as they are."""
    settings: dict[str, Any] = {
        "effect": lambda frames, *_: [frames],
        "codec": None,
        "quality": 16,
        "stopped": lambda: False,
    }
    return stylize_video(VideoSource(str(path)), [target], **{**settings, **options})


def kinds(path: Path) -> list[str]:
    """The codecs of the streams."""
    with av.open(str(path)) as container:
        return [s.codec_context.codec.canonical_name for s in container.streams if s.codec_context]


def pitch(path: Path, number: int) -> tuple[float, float]:
    """(Hz, seconds) of a track of sound."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[number]
        parts = [frame.to_ndarray().astype(float) for frame in container.decode(stream)]
        if not frame_is_planar(stream):
            parts = [part.reshape(-1, stream.channels).T for part in parts]
        wave = np.concatenate([part[0] for part in parts])
        spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
        return float(spectrum.argmax() * stream.rate / len(wave)), len(wave) / stream.rate


def frame_is_planar(stream: Any) -> bool:
    return bool(stream.codec_context.format.is_planar)


@pytest.mark.parametrize(
    ("suffix", "expected"),
    [
        (".mkv", ["aac", "pcm_s24be", "flac"]),
        (".mp4", ["aac", "pcm_s24be", "flac"]),
        (".webm", ["opus", "opus", "opus"]),
        (".mov", ["aac", "pcm_s24be", "aac"]),
        (".ts", ["aac", "aac", "aac"]),
        (".avi", ["aac", "mp3", "mp3"]),
        (".mpg", ["mp2", "mp2", "mp2"]),
        (".ogv", ["opus", "opus", "flac"]),
        (".mxf", ["pcm_s16le", "pcm_s16le", "pcm_s16le"]),
        (".wmv", ["aac", "wmav2", "wmav2"]),
        (".flv", ["aac"]),
    ],
)
def test_sound_is_copied_or_converted(suffix: str, expected: list[str], tmp_path: Path) -> None:
    clip, target = tmp_path / "clip.mkv", tmp_path / f"out{suffix}"
    make(clip, sounds=["aac", "pcm_s24be", "flac"])
    copy(clip, target)
    assert kinds(target)[1:] == expected
    for number in range(len(expected)):
        hertz, seconds = pitch(target, number)
        assert hertz == pytest.approx(440, abs=5) and seconds == pytest.approx(0.5, abs=0.08)


def test_subtitles_of_text_are_not_taken_for_a_dvds(tmp_path: Path, capsys: Any) -> None:
    clip, target = tmp_path / "clip.mkv", tmp_path / "film.mpg"
    make(clip, text=True)
    copy(clip, target)
    assert "subtitle" not in kinds(target)
    assert "subtitles (subrip, fre) is left out" in capsys.readouterr().err


def test_converted_sound_of_many_channels_is_as_the_encoder_takes_it(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mkv"
    make(clip, sounds=["pcm_s16le"], layout="5.1(side)")
    for name, channels in (("out.webm", 6), ("out.ts", 6), ("out.avi", 6), ("out.mpg", 2)):
        copy(clip, tmp_path / name)
        with av.open(str(tmp_path / name)) as container:
            assert container.streams.audio[0].channels == channels
            assert sum(frame.samples for frame in container.decode(audio=0)) > 20000


@pytest.mark.parametrize(
    ("suffix", "codec"), [(".mkv", "srt"), (".mp4", "mov_text"), (".webm", "webvtt"), (".ts", "")]
)
def test_subtitles_are_copied_or_converted(
    suffix: str, codec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip, target = tmp_path / "clip.mkv", tmp_path / f"out{suffix}"
    make(clip, text=True)
    copy(clip, target)
    if not codec:
        assert "subtitles (subrip, fre) is left out, which .ts does not take" in (
            capsys.readouterr().err
        )
        return
    said = []
    with av.open(str(target)) as container:
        (stream,) = container.streams.subtitles
        assert stream.language == "fre" and stream.disposition & av.stream.Disposition.forced
        for packet in container.demux(stream):
            for shown in packet.decode() if packet.size else ():
                assert packet.pts is not None and packet.duration is not None
                at, duration = (
                    round(1000 * time * packet.time_base) for time in (packet.pts, packet.duration)
                )
                if isinstance(shown, AssSubtitle) and shown.dialogue:
                    said.append((at, duration, shown.dialogue.decode()))
    assert said == list(TEXT)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".mov", ".webm"])
def test_tags_marks_chapters_and_time_code_stay(suffix: str, tmp_path: Path) -> None:
    clip, target = tmp_path / "clip.mkv", tmp_path / f"out{suffix}"
    make(clip, sounds=["aac", "aac"], tags=True)
    copy(clip, target)
    with av.open(str(target)) as container:
        assert container.metadata["title"] == "Our film"
        assert container.metadata["creation_time"] == "2020-01-02T03:04:05.000000Z"
        sounds = container.streams.audio
        assert [stream.language for stream in sounds] == ["eng", "ger"]
        assert [int(stream.disposition) & 1 for stream in sounds] == [0, 1]
        told = {key.lower(): value for key, value in container.streams.video[0].metadata.items()}
        assert told["timecode"] == "01:00:00:00"
        marks = [
            (mark["metadata"]["title"], float(mark["start"] * (mark["time_base"] or 0)))
            for mark in container.chapters()
        ]
        assert marks == [("One", 0), ("Two", pytest.approx(0.2))]


def test_chapters_of_what_was_not_done_are_left_out(tmp_path: Path) -> None:
    clip, target = tmp_path / "clip.mkv", tmp_path / "out.mp4"
    make(clip, tags=True)
    done = iter([False, False, True])
    copy(clip, target, stopped=lambda: next(done, True))
    with av.open(str(tmp_path / "out.unfinished.mp4")) as container:
        assert [mark["metadata"]["title"] for mark in container.chapters()] == ["One"]
        assert float(container.duration or 0) / av.time_base < 0.2


def test_attachments_stay_or_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = tmp_path / "clip.mkv"
    make(clip, font=True)
    copy(clip, tmp_path / "out.mkv")
    with av.open(str(tmp_path / "out.mkv")) as container:
        (stream,) = container.streams.attachments
        assert stream.name == "a.ttf" and stream.data == b"font" * 100
    copy(clip, tmp_path / "out.mp4")
    assert "out.mp4: attachment" in capsys.readouterr().err


def test_a_track_with_nonsense_in_it_costs_no_film(tmp_path: Path) -> None:
    clip, target = tmp_path / "clip.mkv", tmp_path / "out.webm"
    make(clip, sounds=["flac"])
    data = bytearray(clip.read_bytes())
    with av.open(str(clip)) as container:
        packets = [bytes(p) for p in container.demux(audio=0) if p.size]
    for packet in packets[3:8]:
        at = data.index(packet)
        data[at : at + len(packet)] = bytes(len(packet))
    clip.write_bytes(data)
    copy(clip, target)
    assert kinds(target) == ["vp9", "opus"]
    with av.open(str(target)) as container:
        assert len(list(container.decode(video=0))) == 12


def test_copies_have_the_side_data(tmp_path: Path) -> None:
    make(tmp_path / "clip.mp4", sounds=["aac"])
    with av.open(str(tmp_path / "clip.mp4")) as container:
        packet = next(container.demux(audio=0))
        assert packet.has_sidedata("skip_samples")
        copy = copy_packet(packet)
    assert copy.has_sidedata("skip_samples") and bytes(copy) == bytes(packet)
    assert (copy.pts, copy.duration) == (packet.pts, packet.duration)


def test_chapters_begin_with_the_film(tmp_path: Path) -> None:
    class Held:
        start = Fraction(10)

        class container:
            @staticmethod
            def chapters() -> list[Any]:
                base = Fraction(1, 1000)
                spans = [(8000, 9000), (9500, 12000), (12000, 13000)]
                return [{"start": a, "end": b, "time_base": base, "id": a} for a, b in spans]

    made = [(mark["start"], mark["end"]) for mark in chapters(Held)]
    assert made == [(0, 2000), (2000, 3000)]
    assert [mark["end"] for mark in chapters(Held, Fraction(5, 2))] == [2000, 2500]


class UnknownSound:
    """As PyAV has sound of a codec that FFmpeg does not know: without a context, and a name."""

    codec_context, type = None, "audio"
    metadata: ClassVar[dict[str, Any]] = {}


def test_sound_of_an_unknown_codec_can_only_be_copied() -> None:
    assert label(UnknownSound()) == "sound (of unknown kind)"
    assert [option.encoder for option in track_options(UnknownSound(), Container("matroska"))] == [
        ""
    ]


def test_covers_go_along(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain, clip = tmp_path / "plain.mkv", tmp_path / "clip.mkv"
    make(plain)
    with av.open(str(plain)) as given, av.open(str(clip), "w") as container:
        film = container.add_stream_from_template(given.streams.video[0], opaque=True)
        data = io.BytesIO()
        Image.new("RGB", (32, 32), "red").save(data, "JPEG")
        container.add_attachment("cover.jpg", "image/jpeg", data.getvalue())
        for packet in given.demux(video=0):
            if packet.size:
                packet.stream = film
                container.mux(packet)
    for suffix in (".mkv", ".mp4"):
        target = tmp_path / f"out{suffix}"
        copy(clip, target)
        with av.open(str(target)) as container:
            _, cover = container.streams.video
            assert cover.disposition & av.stream.Disposition.attached_pic
            packet = next(packet for packet in container.demux(cover) if packet.size)
            with Image.open(io.BytesIO(bytes(packet))) as picture:
                assert picture.size == (32, 32)
    copy(clip, tmp_path / "out.avi")
    assert "the cover picture is left out, which .avi does not take" in capsys.readouterr().err
