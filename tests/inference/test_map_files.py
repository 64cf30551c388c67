"""Weight maps that lie in files: which one a picture or a film has, and which of its frames."""

import os
import time
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import av
import numpy as np
import pytest
from PIL import Image

from fststyle.config.infer import StyleControls
from fststyle.images.noise import NO_GRAIN
from fststyle.inference import video_jobs
from fststyle.inference.map_files import shades_of
from fststyle.inference.maps import WeightMaps
from fststyle.inference.video.live import Latest
from fststyle.inference.video.pipeline import with_noise
from fststyle.inference.video.reader import Frame
from fststyle.inference.video.sources import open_source
from fststyle.inference.video.timeline import Moment
from tests.conftest import picture, run_here, write_clip

SIZE = (64, 48)


def grey(level: int) -> np.ndarray:
    return np.full((SIZE[1], SIZE[0], 3), level, np.uint8)


def write_film(path: Path, times: list[int], **options: Any) -> None:
    """Of as many greys, brighter by 10 of 255 from frame to frame."""
    if path.suffix == ".gif":
        first, *others = (Image.fromarray(grey(10 * number)) for number in range(len(times)))
        first.save(path, save_all=True, append_images=others, duration=times[1] - times[0])
    elif path.suffix:
        shown = [grey(10 * number) for number in range(len(times))]
        write_clip(path, times, size=SIZE, shown=shown, **options)
    else:
        path.mkdir()
        for number in range(len(times)):
            Image.fromarray(grey(10 * number)).save(path / f"{number:06d}.png")


def masks(mask: Path, name: str = "clip.mp4", *, film: bool = True) -> WeightMaps:
    controls = StyleControls(weight_map="none", mask=str(mask))
    return WeightMaps(controls, Path(name), film=film)


def number(weights: Any) -> int:
    """Which of the greys they are."""
    return round(float(np.mean(weights)) * 25.5)


@pytest.mark.parametrize(
    ("mask", "interval", "expected"),
    [
        ("mask.mp4", 40, list(range(12))),
        ("mask.mkv", 40, list(range(12))),
        ("mask.gif", 40, list(range(12))),
        ("mask", 40, list(range(12))),
        ("mask.mp4", 20, list(range(0, 24, 2))),
        ("mask.mp4", 80, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]),
        ("mask.mp4", 120, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]),
    ],
)
@pytest.mark.parametrize("sound", [False, True])
def test_films_of_maps_go_by_time_and_folders_by_number(
    mask: str, interval: int, expected: list[int], sound: bool, tmp_path: Path
) -> None:
    """Clips begin with their first frame, whenever that is due."""
    times = [40 * n + 80 * sound for n in range(12)]
    write_clip(tmp_path / "clip.mp4", times, size=SIZE, sound=sound)
    write_film(tmp_path / mask, [interval * n for n in range(24)])
    source = open_source(str(tmp_path / "clip.mp4"))
    items = with_noise(source, NO_GRAIN, masks(tmp_path / mask))
    assert [number(item.map) for item in items if isinstance(item, Frame)] == expected


@pytest.mark.parametrize("rate", [Fraction(30), Fraction(30000, 1001), Fraction(120)])
def test_rounded_times_of_one_rate_match_frame_by_frame(rate: Fraction, tmp_path: Path) -> None:
    write_film(tmp_path / "mask.mkv", [round(1000 * n / rate) for n in range(24)])
    maps, image = masks(tmp_path / "mask.mkv"), picture(0)
    assert [number(maps(image, Moment(n, n / rate))) for n in range(24)] == list(range(24))


def test_frames_that_nobody_saw_take_their_maps_along(tmp_path: Path) -> None:
    for name in ("mask.mp4", "mask"):
        write_film(tmp_path / name, [40 * n for n in range(24)])
        maps, image = masks(tmp_path / name), picture(0)
        seen = [3, 4, 9, 20, 100]
        assert [number(maps(image, Moment(n, Fraction(n, 25)))) for n in seen] == [3, 4, 9, 20, 23]


def test_where_times_are_not_known_maps_are_counted(tmp_path: Path) -> None:
    write_film(tmp_path / "mask.mp4", [40, 60, 300])
    maps, image = masks(tmp_path / "mask.mp4"), picture(0)
    assert [number(maps(image)) for _ in range(5)] == [0, 1, 2, 2, 2]


def test_a_folder_holds_a_films_map_or_its_frames_and_nothing_else_will_do(tmp_path: Path) -> None:
    """Named as the film is, at its place; pictures that are numbered are frames."""
    image, folder = picture(0), tmp_path / "maps"
    (folder / "sub").mkdir(parents=True)

    def put(name: str, level: int = 200) -> None:
        Image.fromarray(grey(level)).save(folder / name)

    def missing(film: str) -> str:
        with pytest.raises(FileNotFoundError, match="holds no map for") as refused:
            masks(folder, film)
        assert "\n" not in str(refused.value)
        return str(refused.value)

    (folder / "clip.txt").write_text("what these are")
    put("other.png")
    assert f"--mask {folder}: holds no map for clip.mp4, named as it is" in missing("clip.mp4")
    write_film(folder / "clip.mkv", [0, 40, 80])
    assert number(masks(folder, "clip.mp4")(image)) == 0
    missing("sub/clip.mp4")
    write_film(folder / "sub/clip", [0, 40, 80])
    maps = masks(folder, "sub/clip.mp4")
    assert [number(maps(image)) for _ in range(3)] == [0, 1, 2]
    put("sub/still.png", 50)
    assert number(masks(folder, "sub/still.mp4")(image)) == 5


@pytest.mark.parametrize(
    ("names", "film", "frames"),
    [
        (["000001", "000002"], "clip.mp4", True),
        (["clip_9", "clip_10"], "clip.mp4", True),
        (["000001", "000002"], "7.mp4", True),
        (["6", "8"], "7.mp4", False),
        (["clip1", "clip3"], "clip2.mp4", False),
        (["a1", "b2"], "clip.mp4", False),
        (["a", "b"], "clip.mp4", False),
        (["a/1", "a/2"], "clip.mp4", False),
    ],
)
def test_which_pictures_are_frames(
    names: list[str], film: str, frames: bool, tmp_path: Path
) -> None:
    (tmp_path / "a").mkdir()
    for level, name in enumerate(names):
        Image.fromarray(grey(10 * level)).save(tmp_path / f"{name}.png")
    (tmp_path / "notes.txt").write_text("what these are")
    if frames:
        maps, image = masks(tmp_path, film), picture(0)
        assert [number(maps(image)) for _ in range(3)] == [0, 1, 1]
    else:
        with pytest.raises(FileNotFoundError, match=f"holds no map for {film}"):
            masks(tmp_path, film)


@pytest.mark.parametrize("form", ["GIF", "WEBP", "PNG"])
def test_content_says_whether_a_map_moves(form: str, tmp_path: Path) -> None:
    moving, still = tmp_path / "moving.png", tmp_path / "still.gif"
    first, *others = (Image.fromarray(grey(10 * level)) for level in range(3))
    first.save(moving, form, save_all=True, append_images=others, duration=40, lossless=True)
    others[-1].save(still, form)
    image, maps = picture(0), masks(moving)
    assert [number(maps(image)) for _ in range(3)] == [0, 1, 2]
    for film in (False, True):
        assert number(masks(still, film=film)(image)) == 2
    with pytest.raises(ValueError, match=r"moving.png: is a film, and photo.jpg is none"):
        masks(moving, "photo.jpg", film=False)


def test_no_film_is_its_own_map(tmp_path: Path) -> None:
    """As it would be in a folder with its whole path for its name."""
    write_film(tmp_path / "clip.mp4", [0, 40])
    (tmp_path / "maps").mkdir()
    for name in (tmp_path / "clip.mp4", tmp_path / "clip.avi"):
        with pytest.raises(FileNotFoundError, match="holds no map for"):
            masks(tmp_path / "maps", str(name))


class Window:
    """Remembers what it shows."""

    shown: ClassVar[list[np.ndarray]] = []

    def show(self, frame: np.ndarray, title: str) -> bool:
        self.shown.append(frame)
        return True

    def wait(self) -> bool:
        return True

    def close(self) -> None: ...


class Late(Latest):
    """Of which only the last frame is seen."""

    def get(self) -> tuple[np.ndarray, float] | None:
        self._thread.join()
        return super().get()


def shown_late(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: object
) -> tuple[int, str, np.ndarray]:
    """(status, stderr, the only frame seen) of ``infer --show``."""
    monkeypatch.setattr(video_jobs, "TkWindow", Window)
    monkeypatch.setattr(video_jobs, "Latest", Late)
    Window.shown.clear()
    options = ("--show", "--map", "none", "--provider", "cpu", "--threads", 1)
    status, error = run_here(capsys, "infer", "starry_night_live", *words, *options)
    (frame,) = Window.shown
    return status, error, frame


def test_what_is_shown_late_has_its_own_mask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = np.asarray(picture(5, *SIZE))
    write_clip(tmp_path / "clip.mp4", [0, 40, 80], size=SIZE, shown=[photo] * 3)
    write_clip(tmp_path / "mask.mp4", [0, 40, 80], size=SIZE, shown=[grey(0), grey(0), grey(255)])
    Image.fromarray(grey(255)).save(tmp_path / "white.png")
    seen = []
    for mask in ("mask.mp4", "white.png"):
        words = (tmp_path / "clip.mp4", "--mask", tmp_path / mask)
        status, error, frame = shown_late(monkeypatch, capsys, *words)
        assert status == 0, error
        seen.append(frame.astype(int))
    assert np.abs(seen[0] - seen[1]).max() <= 4, "but for what encoding changed"


@pytest.mark.parametrize("live", [False, True])
def test_a_film_of_maps_that_breaks_off_is_told(
    live: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line, with status 1; the film is whole."""
    times, clip, mask = [50 * n for n in range(60)], tmp_path / "clip.mkv", tmp_path / "mask.mkv"
    for file in (clip, mask):
        write_clip(file, times, size=SIZE)
    words = (clip, "--mask", mask)

    def result() -> tuple[int, str]:
        if live:
            return shown_late(monkeypatch, capsys, *words)[:2]
        options = ("--output", tmp_path / "out.mp4", "--overwrite", "--map", "none", "--steady", 0)
        return run_here(capsys, "infer", "starry_night_live", *words, *options)

    status, error = result()
    assert status == 0, error
    mask.write_bytes(mask.read_bytes()[: mask.stat().st_size // 2])
    status, error = result()
    said = [line for line in error.splitlines() if "mask.mkv" in line]
    assert status == 1 and len(said) == 1 and said[0].startswith(f"{clip}: ")
    assert f"{mask}: cannot be read to its end (it ends after" in said[0]
    if not live:
        with av.open(str(tmp_path / "out.mp4")) as container:
            assert sum(1 for _ in container.decode(video=0)) == 60


def test_what_is_shown_finds_its_map_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clip, maps = tmp_path / "clip.mp4", tmp_path / "maps"
    shown = [np.asarray(picture(5, *SIZE))] * 2
    write_clip(clip, [0, 40], size=SIZE, shown=shown)
    maps.mkdir()
    white = maps / "clip.png"
    Image.fromarray(grey(255)).save(white)
    seen = []
    for mask in (maps, white):
        status, error, frame = shown_late(monkeypatch, capsys, clip, "--mask", mask)
        assert status == 0, error
        seen.append(frame)
    assert np.array_equal(seen[0], seen[1])


def test_a_folder_of_frames_is_shown_at_the_rate_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_film(tmp_path / "clip", [0, 10, 20])
    began = time.perf_counter()
    status, error, frame = shown_late(monkeypatch, capsys, tmp_path / "clip", "--fps", 20)
    assert status == 0 and frame.shape == (SIZE[1], SIZE[0], 3), error
    assert time.perf_counter() - began >= 0.1


def test_names_of_what_is_shown_or_recorded(tmp_path: Path) -> None:
    (tmp_path / "take.1").mkdir()
    for source, name in (
        (f"{tmp_path}/clip.mp4", "clip.mp4"),
        ("clips/clip.mp4", "clip.mp4"),
        ("http://somewhere/clip.mp4", "clip.mp4"),
        (f"{tmp_path}/take.1/", "take.1.mp4"),
        ("camera:0", "camera:0"),
        ("-", "-"),
    ):
        assert video_jobs._map_name(source) == Path(name)


def test_a_pipe_is_no_map(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(ValueError, match="pipe.mp4 is a pipe or a device"):
        shades_of(tmp_path / "pipe.mp4", "--mask", Path("clip.mp4"), film=True)
