"""Videos as ``infer`` takes them: time, size, rotation, colours, sound, damage."""

import os
import signal
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from fststyle.inference.stylizer import Stylizer
from fststyle.inference.video.pipeline import stylize_video
from fststyle.inference.video.reader import Frame, VideoSource
from tests.conftest import run_here, turned, write_clip


def frames_of(path: Path) -> tuple[VideoSource, list[Frame]]:
    source = VideoSource(str(path))
    return source, [item for item in source if isinstance(item, Frame)]


def seconds(source: VideoSource, frames: list[Frame]) -> list[float]:
    return [float(frame.pts * source.time_base) for frame in frames]


def sound_of(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


def copy(path: Path, target: Path, **options: Any) -> Any:
    """Through the pipeline with pixels as they are."""
    settings: dict[str, Any] = {
        "effect": lambda frames, *_: [frames],
        "codec": "libx264",
        "quality": 1,
        "stopped": lambda: False,
    }
    return stylize_video(VideoSource(str(path)), [target], **{**settings, **options})


EVEN = [40 * i for i in range(12)]
UNEVEN = [0, 40, 50, 130, 131, 400, 440, 1000, 1033, 1066]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize("times", [EVEN, UNEVEN], ids=["even", "uneven"])
def test_every_frame_keeps_its_time(times: list[int], suffix: str, tmp_path: Path) -> None:
    clip, target = tmp_path / f"clip{suffix}", tmp_path / f"out{suffix}"
    write_clip(clip, times)
    done = copy(clip, target)
    (before, old), (after, new) = frames_of(clip), frames_of(target)
    assert done.frames == len(old) == len(new) == len(times)
    assert seconds(after, new) == pytest.approx(seconds(before, old), abs=1e-3)
    for one, two in zip(old, new, strict=True):
        assert np.abs(one.pixels.astype(int) - two.pixels).mean() < 2


@pytest.mark.parametrize("size", [(64, 48), (65, 48), (64, 47), (51, 33)])
def test_odd_sizes_and_aspect_stay(size: tuple[int, int], tmp_path: Path) -> None:
    clip, target = tmp_path / "clip.mp4", tmp_path / "out.mp4"
    write_clip(clip, EVEN, size=size, pix_fmt="yuv444p", aspect=Fraction(4, 3))
    copy(clip, target)
    after, _ = frames_of(target)
    assert (after.width, after.height, after.aspect) == (*size, Fraction(4, 3))


@pytest.mark.parametrize("full_range", [False, True])
def test_color_range_stays(full_range: bool, tmp_path: Path) -> None:
    clip, target = tmp_path / "clip.mp4", tmp_path / "out.mp4"
    write_clip(clip, EVEN, full_range=full_range)
    copy(clip, target)
    (before, old), (after, new) = frames_of(clip), frames_of(target)
    assert before.color.full_range == after.color.full_range == full_range
    assert abs(float(old[0].pixels.mean()) - new[0].pixels.mean()) < 0.5
    expected = np.linspace(20, 180, 64)
    assert np.abs(old[0].pixels[-4:, :, 0].mean(0) - expected).max() < 3, "decoded as it was meant"


def test_batches_change_nothing(tmp_path: Path) -> None:
    clip, target = tmp_path / "clip.mp4", tmp_path / "out.mp4"
    write_clip(clip, UNEVEN, sound=True)
    seen: list[np.ndarray] = []

    def effect(frames: np.ndarray, places: np.ndarray, *_: object) -> list[np.ndarray]:
        assert len(frames) == len(places)
        seen.append(places)
        return [frames]

    done = copy(clip, target, effect=effect, batch_size=4, timed=True)
    assert [len(places) for places in seen] == [4, 4, 2] and done.frames == len(UNEVEN)
    assert np.concatenate(seen) == pytest.approx(np.array(UNEVEN) / UNEVEN[-1], abs=1e-3)
    (before, old), (after, new) = frames_of(clip), frames_of(target)
    assert seconds(after, new) == pytest.approx(seconds(before, old), abs=1e-3)
    for one, two in zip(old, new, strict=True):
        assert np.abs(one.pixels.astype(int) - two.pixels).mean() < 4


def test_sound_is_copied_untouched(tmp_path: Path) -> None:
    clip, target = tmp_path / "clip.mp4", tmp_path / "out.mkv"
    write_clip(clip, EVEN, sound=True)
    copy(clip, target)
    assert len(sound_of(clip)) > 10 and sound_of(target) == sound_of(clip)
    assert len(frames_of(target)[1]) == len(EVEN)


def test_several_films_of_one_have_its_sound_each(tmp_path: Path) -> None:
    clip, targets = tmp_path / "clip.mp4", [tmp_path / f"{i}.mkv" for i in range(3)]
    write_clip(clip, EVEN, sound=True)
    stylize_video(
        VideoSource(str(clip)),
        targets,
        lambda frames, *_: [frames] * 3,
        codec="libx264",
        quality=20,
        stopped=lambda: False,
    )
    for target in targets:
        assert sound_of(target) == sound_of(clip)


def test_a_truncated_clip_gives_what_was_there(tmp_path: Path) -> None:
    clip, target = tmp_path / "clip.mkv", tmp_path / "out.mp4"
    write_clip(clip, [40 * i for i in range(60)])
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    done = copy(clip, target)
    assert 5 < done.frames < 60
    assert len(frames_of(target)[1]) == done.frames


def test_corrupt_frames_are_passed_over_and_counted(tmp_path: Path) -> None:
    clip, target = tmp_path / "clip.mkv", tmp_path / "out.mp4"
    write_clip(clip, [40 * i for i in range(60)])
    data = bytearray(clip.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 60] = os.urandom(60)
    clip.write_bytes(data)
    done = copy(clip, target)
    assert done.corrupt + bool(done.failure) > 0 and done.frames > 20
    assert len(frames_of(target)[1]) == done.frames


def test_what_fails_leaves_what_was_there(tmp_path: Path) -> None:
    clip, target = tmp_path / "clip.mp4", tmp_path / "out.mp4"
    write_clip(clip, EVEN, sound=True)
    target.write_bytes(b"before")

    def effect(frames: np.ndarray, places: np.ndarray, *_: object) -> list[np.ndarray]:
        if places.max() > 0.5:
            raise ValueError("no more")
        return [frames]

    with pytest.raises(ValueError, match="no more"):
        stylize_video(
            VideoSource(str(clip)),
            [target],
            effect,
            codec="libx264",
            quality=20,
            stopped=lambda: False,
            timed=True,
        )
    with pytest.raises(ValueError, match="cannot be written with codec nonsense"):
        copy(clip, target, codec="nonsense")
    assert target.read_bytes() == b"before"
    assert {path.name for path in tmp_path.iterdir()} == {"clip.mp4", "out.mp4"}


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="none.mp4: no such file"):
        VideoSource(str(tmp_path / "none.mp4"))
    (tmp_path / "bad.mp4").write_bytes(b"nothing" * 100)
    with pytest.raises(ValueError, match="not a video that can be read"):
        VideoSource(str(tmp_path / "bad.mp4"))


@pytest.fixture(scope="module")
def models(exported: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two styles, the second the first's negative."""
    folder = tmp_path_factory.mktemp("models")
    paths = [folder / "a.onnx", folder / "b.onnx"]
    model = onnx.load(exported(uint8=True))
    onnx.save(model, paths[0])
    last = [node for node in model.graph.node if node.op_type == "Conv"][-1]
    for tensor in model.graph.initializer:
        if tensor.name in last.input:
            negative = numpy_helper.from_array(-numpy_helper.to_array(tensor), tensor.name)
            tensor.CopyFrom(negative)
    onnx.save(model, paths[1])
    return paths


def test_the_command_on_videos_and_pictures(
    models: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip, out = tmp_path / "clip.mp4", tmp_path / "out"
    write_clip(clip, EVEN, sound=True)
    (tmp_path / "bad.mkv").write_bytes(b"nothing")
    status, error = run_here(
        capsys, "infer", *models, clip, tmp_path / "bad.mkv", "--output", out, "--max-size", 32
    )
    assert status == 1 and "bad.mkv: not a video" in error and "12/12" in error
    for name in ("a", "b"):
        source, frames = frames_of(out / name / "clip.mp4")
        assert len(frames) == 12 and (source.width, source.height) == (32, 24)
    assert not (out / "a/bad.mkv").exists()


def test_a_cross_fade_goes_from_style_to_style(
    models: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = tmp_path / "clip.mkv"  # which does not say how many frames it has
    write_clip(clip, EVEN)
    results = {}
    for name, given in (
        ("a", models[:1]),
        ("b", models[1:]),
        ("faded", [*models, "--crossfade"]),
    ):
        target = tmp_path / f"{name}.mp4"
        more = ("--output", target, "--quality", 1, "--steady", 0)
        styles = [m for m in given if m != "--crossfade"]
        flags = [m for m in given if m == "--crossfade"]
        status, error = run_here(capsys, "infer", *styles, clip, *flags, *more)
        assert status == 0, error
        results[name] = [frame.pixels.astype(int) for frame in frames_of(target)[1]]

    def distance(number: int, style: str) -> float:
        return float(np.abs(results["faded"][number] - results[style][number]).mean())

    assert distance(0, "a") < 2 < distance(0, "b")
    assert distance(11, "b") < 2 < distance(11, "a")
    assert distance(6, "a") > 2 < distance(6, "b")


def test_ctrl_c_leaves_a_film_of_what_was_done(
    models: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    clip, target, stylize = tmp_path / "clip.mp4", tmp_path / "out.mp4", Stylizer.run
    done = tmp_path / "out.unfinished.mp4"
    write_clip(clip, [40 * i for i in range(60)])
    seen = []

    def interrupted(*arguments: Any, **options: Any) -> np.ndarray:
        seen.append(1)
        if len(seen) == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return stylize(*arguments, **options)

    monkeypatch.setattr(Stylizer, "run", interrupted)
    status, error = run_here(capsys, "infer", models[0], clip, "--output", target)
    assert status == 130, error
    assert f"stopped; {done} holds" in error and not target.exists()
    assert 5 <= len(frames_of(done)[1]) < 60


@pytest.mark.assets
@pytest.mark.parametrize("odd", ["size", "rate", "turned", "truncated", "silent webm"])
def test_real_clips_made_odd(
    odd: str, assets: Path, models: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Through the command, with a network."""
    real = VideoSource(str(assets / "video/davis/libby.mp4"), 161)
    shown = [item.pixels for item in real if isinstance(item, Frame)][:30]
    clip = tmp_path / ("clip.mkv" if odd == "truncated" else "clip.mp4")
    target = tmp_path / ("out.webm" if odd == "silent webm" else "out.mp4")
    size = (157, 89) if odd == "size" else (160, 90)
    times = [40 * i + (7 * i * i) % 23 if odd == "rate" else 40 * i for i in range(30)]
    sound = odd in ("size", "rate")
    pix_fmt = "yuv444p" if odd == "size" else "yuv420p"
    write_clip(clip, times, size=size, pix_fmt=pix_fmt, sound=sound, shown=shown)
    if odd == "turned":
        turned(clip, (0, 1, -1, 0))
    if odd == "truncated":
        clip.write_bytes(clip.read_bytes()[: clip.stat().st_size * 2 // 3])
    more = ["--codec", "libvpx-vp9", "--quality", 30] if odd == "silent webm" else []
    status, error = run_here(
        capsys, "infer", models[0], clip, "--output", target, "--steady", 0, "--grain", 0, *more
    )
    assert status == (1 if "cannot be read to its end" in error else 0), error
    (before, old), (after, new) = frames_of(clip), frames_of(target)
    assert len(old) == len(new) and (len(new) == 30 or odd == "truncated")
    assert (after.width, after.height) == (before.width, before.height)
    assert seconds(after, new) == pytest.approx(seconds(before, old), abs=1e-3)
    if sound:
        assert sound_of(target) == sound_of(clip)
    # The network is a noisy one, so codecs lose much: the right frame is nearer than another.
    stylizer = Stylizer(models[0])
    same, other = (
        np.abs(stylizer.run(old[i].pixels[None])[0].mean(-1) - new[3].pixels.mean(-1)).mean()
        for i in (3, 14)
    )
    assert same < 0.5 * other


@pytest.mark.assets
def test_a_real_clip_with_sound(assets: Path, models: list[Path], tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    source = VideoSource(str(assets / "video/cut_bunny.mp4"), 64)
    done = stylize_video(
        source,
        [target],
        lambda frames, *_: [frames],
        codec="libx264",
        quality=30,
        stopped=lambda: False,
    )
    after, frames = frames_of(target)
    assert done.frames == len(frames) == 240 and after.rate == 24
    assert [stream.codec_context.name for stream in after.others] == ["aac"]
