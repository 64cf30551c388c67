"""Weight maps of pictures and of videos' frames, and what styles that take them make of them."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fststyle.config.infer import StyleControls
from fststyle.images.tones import with_tones
from fststyle.inference import video_jobs
from fststyle.inference.maps import WeightMaps, depth_network, in_focus
from fststyle.inference.styles import load_style
from fststyle.inference.stylizer import Stylizer
from fststyle.sessions import session
from tests.conftest import contrasty, picture, run_here, write_clip

Exported = Callable[..., Path]


@pytest.fixture(scope="module")
def stylizer(exported: Exported) -> Stylizer:
    return Stylizer(exported(uint8=True, mapped=True), "cpu", threads=1)


def shades(left: int, right: int, size: tuple[int, int] = (64, 48)) -> Image.Image:
    """Two halves of grey."""
    values = np.full(size[::-1], left, np.uint8)
    values[:, size[0] // 2 :] = right
    return Image.fromarray(values)


def test_where_a_map_is_white_the_picture_changes_as_near_says() -> None:
    controls = StyleControls(near=0.9, far=0.2, weight_map="none")
    maps = WeightMaps(controls, shades=np.asarray(shades(0, 255)))
    weights = maps(picture(0))
    assert weights.shape == (12, 16) and weights.dtype == np.float32
    np.testing.assert_allclose(weights[:, :8], 0.2, atol=1e-6)
    np.testing.assert_allclose(weights[:, 8:], 0.9, atol=1e-6)


def test_a_mask_counts_as_near_and_the_focus_moves_what_is() -> None:
    near = np.linspace(0, 1, 64, dtype=np.float32)[None].repeat(48, 0)
    mask = np.zeros((48, 64), np.float32)
    mask[:, :32] = 1
    weights = WeightMaps(StyleControls(), shades=near, mask=mask)(picture(0))
    assert (weights[:, :8] == 1).all() and weights[0, 8] == pytest.approx(0.5, abs=0.05)
    assert in_focus(np.array([1.0, 0.5, 0.0]), 0.5).tolist() == [0, 1, 0]
    assert in_focus(np.array([1.0, 0.0]), 0.0).tolist() == [1, 0]
    assert in_focus(np.array([1.0, 0.5, 0.0]), 1.0).tolist() == [0, 0.5, 1]


@pytest.fixture
def no_tones(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network alone."""
    monkeypatch.setattr("fststyle.inference.stylizer.with_tones", lambda picture, *_: picture)


@pytest.mark.usefixtures("no_tones")
def test_a_map_is_what_torch_makes_of_it(stylizer: Stylizer) -> None:
    photo = np.asarray(picture(3, 95, 61))
    weights = WeightMaps(StyleControls(), shades=np.asarray(shades(30, 220, (95, 61))))
    output = stylizer(photo, weight_map=shades(30, 220, (95, 61)), grain=0)
    content = torch.from_numpy(photo.copy()).permute(2, 0, 1)[None] / 255
    weight_map = torch.from_numpy(weights(Image.fromarray(photo)))[None, None]
    with torch.no_grad():
        expected = contrasty(mapped=True)(content, weight_map).clamp(0, 1)[0].permute(1, 2, 0)
    assert np.abs(output - expected.numpy() * 255).max() < 1
    none = stylizer(photo, weight_map="none", grain=0)
    assert np.abs(output.astype(int) - none).mean() > 5


@pytest.mark.usefixtures("no_tones")
def test_strength_is_learnt_but_for_its_end(stylizer: Stylizer) -> None:
    """1 − s is the map; below a quarter it fades to the picture itself."""
    photo = np.asarray(picture(3, 96, 64))[None]
    assert np.array_equal(stylizer.run(photo, strength=0), photo)
    half = stylizer.run(photo, strength=0.5)
    assert np.array_equal(half, stylizer.run(photo, np.full((1, 1, 1), 0.5, np.float32)))
    faded = stylizer.run(photo, strength=0.125).astype(int)
    learnt = stylizer.run(photo, np.full((1, 1, 1), 0.875, np.float32)).astype(int)
    assert np.abs(faded - (photo.astype(int) + learnt) / 2).max() <= 1


@pytest.mark.parametrize("tile", [None, 0.01])
def test_tones_come_back_as_far_as_map_and_strength_keep_the_photo(
    stylizer: Stylizer, monkeypatch: pytest.MonkeyPatch, tile: float | None
) -> None:
    photo, shown = np.asarray(picture(3, 95, 61)), shades(30, 220, (95, 61))

    def stylized(strength: float) -> np.ndarray:
        return stylizer(photo, weight_map=shown, strength=strength, grain=0, tile=tile)

    toned = {strength: stylized(strength) for strength in (1.0, 0.5)}
    monkeypatch.setattr("fststyle.inference.stylizer.with_tones", lambda picture, *_: picture)
    near = WeightMaps(StyleControls(), shades=np.asarray(shown))(Image.fromarray(photo))
    for strength, output in toned.items():
        network = stylized(strength)
        assert np.abs(output.astype(int) - network).max() > 10
        assert np.array_equal(output, with_tones(network, photo, 1 - strength * (1 - near)))


def test_depth_is_the_map_by_default(stylizer: Stylizer, exported: Exported) -> None:
    photo = picture(3, 160, 128)
    by_depth = np.asarray(stylizer(photo))
    assert np.array_equal(by_depth, np.asarray(stylizer(photo, weight_map="depth")))
    plain = np.asarray(stylizer(photo, weight_map="none"))
    assert not np.array_equal(by_depth, plain)
    assert np.array_equal(plain, np.asarray(stylizer(photo, weight_map=np.zeros((128, 160)))))
    swapped = np.asarray(stylizer(photo, near=0.0, far=1.0))
    assert not np.array_equal(swapped, by_depth)
    streamed = next(stylizer.stream([np.asarray(photo)]))
    assert np.abs(streamed.astype(int) - by_depth).mean() < 1
    unmapped = Stylizer(exported(uint8=True), "cpu", threads=1)
    with pytest.raises(ValueError, match="takes no weight map"):
        unmapped(photo, near=0.5)


@pytest.mark.parametrize("far_style", [None, "great_wave_live"])
def test_depth_is_told_by_the_styles_provider_and_threads(
    far_style: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opened once for each."""
    opened: list[tuple[Any, ...]] = []

    def open_session(model: Path, provider: str, threads: int | None, **options: Any) -> Any:
        opened.append((model.name, provider, threads))
        return session.open_session(model, provider, threads, **options)

    monkeypatch.setattr("fststyle.depth.estimator.open_session", open_session)
    depth_network.cache_clear()
    for threads in (1, 1, 2):
        style = load_style(
            "starry_night_live", far_style=far_style, provider="cpu", threads=threads
        )
        style(picture(3))
        next(style.stream([np.asarray(picture(3))]))
    assert opened == [("fast.onnx", "cpu", 1), ("fast.onnx", "cpu", 2)]


@pytest.mark.parametrize("options", [{"size": (48, 64)}, {"fp16": True}, {"half": True}])
def test_every_kind_of_file_takes_maps(
    options: dict[str, Any], stylizer: Stylizer, exported: Exported
) -> None:
    photo, ramp = picture(3), np.linspace(0, 1, 64, dtype=np.float32)[None].repeat(48, 0)
    other = Stylizer(exported(uint8=True, mapped=True, **options), "cpu", threads=1)
    expected = np.asarray(stylizer(photo, weight_map=ramp)).astype(int)
    assert np.abs(np.asarray(other(photo, weight_map=ramp)) - expected).mean() < 0.5
    strong = np.asarray(other(photo, weight_map=ramp, strength=0.3)).astype(int)
    assert np.abs(strong - expected).mean() > 1


@pytest.mark.parametrize("mode", ["L", "RGBA", "I;16"])
def test_depth_is_told_of_pictures_of_every_mode_and_size(stylizer: Stylizer, mode: str) -> None:
    plain = Image.new("RGB", (16, 200), (90, 120, 30))
    for image in (picture(3, 16, 16), picture(3, 300, 17), plain):
        given = Image.new("I;16", image.size) if mode == "I;16" else image.convert(mode)
        assert stylizer(given).size == image.size


def test_tiles_take_maps(stylizer: Stylizer, exported: Exported) -> None:
    photo, ramp = (
        picture(5, 300, 200),
        np.linspace(0, 1, 300, dtype=np.float32)[None].repeat(200, 0),
    )
    for model in (stylizer, Stylizer(exported(mapped=True), "cpu", threads=1)):
        for strength in (1.0, 0.6):
            whole, tiled = (
                np.asarray(model(photo, weight_map=ramp, tile=t, strength=strength)).astype(int)
                for t in (0, 0.01)
            )
            assert np.abs(whole - tiled).max() <= 2


def test_infer_takes_maps_from_files_folders_and_depth(
    exported: Exported, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = exported(uint8=True, mapped=True)
    (tmp_path / "in").mkdir()
    (tmp_path / "maps").mkdir()
    for name in ("a", "b"):
        picture(7, 96, 64).save(tmp_path / f"in/{name}.png")
    shades(0, 255, (96, 64)).save(tmp_path / "maps/a.png")
    shades(255, 0, (24, 16)).save(tmp_path / "maps/b.png")

    def made(*options: object) -> tuple[np.ndarray, np.ndarray]:
        out = tmp_path / "out"
        command = ["infer", model, tmp_path / "in", "--output", out, "--overwrite"]
        status, error = run_here(capsys, *command, "--grain", 0, *options)
        assert status == 0, error
        first, second = (np.asarray(Image.open(out / f"{name}.png")) for name in ("a", "b"))
        return first.astype(int), second.astype(int)

    a, b = made("--map", tmp_path / "maps")
    assert np.abs(a[:, :32] - b[:, :32]).mean() > 3
    turned, _ = made("--map", tmp_path / "maps", "--near", 0, "--far", 1)
    assert np.abs(turned[:, :32] - b[:, :32]).mean() < 1
    masked, _ = made("--map", "none", "--mask", tmp_path / "maps/a.png")
    assert np.abs(masked - a).mean() < 0.5
    none, _ = made("--map", "none")
    depth, _ = made()
    assert np.abs(depth - none).mean() > 1
    (tmp_path / "maps/b.png").unlink()
    status, error = run_here(
        capsys,
        *("infer", model, tmp_path / "in", "--output", tmp_path / "out", "--overwrite"),
        *("--map", tmp_path / "maps"),
    )
    assert status == 1 and "holds no map for b.png" in error and "Traceback" not in error
    for options, message in (
        (["--mask", tmp_path / "none.png"], "none.png: no such picture, film or folder"),
        (["--near", 2], "--near must lie in [0, 1]"),
    ):
        status, error = run_here(capsys, "infer", model, tmp_path / "in", *options)
        assert status == 2 and message in error and error.count("\n") == 1
    status, error = run_here(capsys, "infer", exported(uint8=True), tmp_path / "in", "--far", 1)
    assert status == 2 and "takes no weight map" in error and error.count("\n") == 1


def test_a_film_takes_the_film_of_its_maps(
    exported: Exported, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = exported(uint8=True, mapped=True)
    frames = [np.asarray(picture(7, 96, 64))] * 3
    write_clip(tmp_path / "clip.mp4", [0, 40, 80], size=(96, 64), shown=frames)
    maps = [np.full((64, 96, 3), level, np.uint8) for level in (0, 255, 255)]
    write_clip(tmp_path / "maps.mp4", [0, 40, 80], size=(96, 64), shown=maps)
    command = ["infer", model, tmp_path / "clip.mp4", "--frames", "--grain", 0, "--steady", 0]
    for out, options in (
        ("film", ["--map", tmp_path / "maps.mp4"]),
        ("none", ["--map", "none"]),
        ("depth", []),
        ("all", ["--map", "none", "--far", 1]),
    ):
        status, error = run_here(capsys, *command, "--output", tmp_path / out, *options)
        assert status == 0, error

    def frame(out: str, number: int) -> np.ndarray:
        with Image.open(tmp_path / out / f"clip/{number:06d}.png") as opened:
            return np.asarray(opened).astype(int)

    assert np.abs(frame("film", 1) - frame("none", 1)).mean() < 1
    assert np.abs(frame("film", 2) - frame("all", 2)).mean() < 1
    assert np.abs(frame("film", 3) - frame("none", 3)).mean() > 3
    assert np.abs(frame("depth", 1) - frame("none", 1)).mean() > 1


def test_a_second_style_takes_what_is_far(
    exported: Exported, mapless: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither has to take a map; in tiles and in films, too."""
    style, photo, halves = exported(uint8=True), picture(5, 128, 96), shades(0, 255, (128, 96))
    both = load_style(style, far_style=mapless, provider="cpu")
    near, far = (load_style(name, provider="cpu") for name in (style, mapless))
    for tile in (0, 0.01):
        output = np.asarray(both(photo, weight_map=halves, tile=tile)).astype(int)
        assert np.abs(output - np.asarray(near(photo, tile=tile)))[:, 80:].max() == 0
        assert np.abs(output - np.asarray(far(photo, tile=tile)))[:, :48].max() == 0
    copied = pickle.loads(pickle.dumps(both))
    assert np.array_equal(output, np.asarray(copied(photo, weight_map=halves, tile=0.01)))
    halves.save(tmp_path / "map.png")
    photo.save(tmp_path / "photo.png")
    write_clip(tmp_path / "clip.mp4", [0, 40], size=(128, 96), shown=[np.asarray(photo)] * 2)
    status, error = run_here(
        capsys,
        *("infer", style, tmp_path / "photo.png", tmp_path / "clip.mp4"),
        *("--far-style", mapless, "--map", tmp_path / "map.png", "--tile", 0),
        *("--output", tmp_path / "out", "--frames"),
    )
    assert status == 0, error
    whole = np.asarray(both(photo, weight_map=halves, tile=0)).astype(int)
    with Image.open(tmp_path / "out/photo.png") as made:
        assert np.array_equal(whole, np.asarray(made))
    with Image.open(tmp_path / "out/clip/000002.png") as made:
        assert np.abs(whole - np.asarray(made)).mean() < 12, "but for what encoding changed"


def test_styles_with_and_without_a_map_go_together(
    stylizer: Stylizer, mapless: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo, plain = picture(5, 96, 64), load_style(mapless, provider="cpu")
    photo.save(tmp_path / "photo.png")
    status, error = run_here(
        capsys,
        *("infer", stylizer.model, mapless, tmp_path / "photo.png"),
        *("--output", tmp_path / "out", "--provider", "cpu"),
    )
    assert status == 0, error
    for style, name in ((stylizer, "x"), (plain, "starry")):
        with Image.open(tmp_path / "out" / name / "photo.png") as made:
            assert np.abs(np.asarray(made).astype(int) - np.asarray(style(photo))).max() <= 1


@pytest.mark.parametrize("steady", [0, 0.6])
def test_of_a_films_styles_each_gets_what_it_gets_alone(
    mapless: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], steady: float
) -> None:
    """The grain of one that takes no map goes by none; so it is before and after a cross-fade."""
    styles = ["starry_night_live", mapless]
    frames = [np.asarray(picture(5, 128, 96))] * 3
    write_clip(tmp_path / "clip.mkv", [0, 40, 80], size=(128, 96), shown=frames)
    shades(0, 255, (128, 96)).save(tmp_path / "map.png")

    def made(styles: list[Any], *options: object) -> Path:
        folder = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        status, error = run_here(
            capsys,
            *("infer", *styles, tmp_path / "clip.mkv", "--map", tmp_path / "map.png", "--frames"),
            *("--grain", 16, "--steady", steady, "--provider", "cpu", "--output", folder, *options),
        )
        assert status == 0, error
        return folder

    def frame(folder: Path, number: int) -> np.ndarray:
        with Image.open(folder / f"clip/{number:06d}.png") as opened:
            return np.asarray(opened)

    # Alone it takes no --map.
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Stylizer, "check_map", lambda *_, **__: None)
        alone = [made([style]) for style in styles]
        both, faded = made(styles), made(styles, "--crossfade")
    for number in (1, 2, 3):
        assert np.array_equal(frame(alone[0], number), frame(both / "starry_night_live", number))
        assert np.array_equal(frame(alone[1], number), frame(both / "starry", number))
    assert np.array_equal(frame(alone[0], 1), frame(faded, 1))
    if not steady:
        assert np.array_equal(frame(alone[1], 3), frame(faded, 3))


def test_what_is_shown_live_has_a_map(
    stylizer: Stylizer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown: list[np.ndarray] = []

    class Window:
        def show(self, frame: np.ndarray, title: str) -> bool:
            shown.append(frame)
            return True

        def close(self) -> None: ...

    monkeypatch.setattr(video_jobs, "TkWindow", Window)
    clip, mask = tmp_path / "clip.mp4", tmp_path / "mask.png"
    write_clip(clip, [0, 40], size=(96, 64), shown=[np.asarray(picture(5, 96, 64))] * 2)
    shades(0, 255, (96, 64)).save(mask)
    options = ("--show", "--grain", 0, "--map", "none")
    last = []
    for more in ((), ("--mask", mask)):
        status, error = run_here(capsys, "infer", stylizer.model, clip, *options, *more)
        assert status == 0, error
        last.append(shown[-1].astype(int))
    assert np.abs(last[1] - last[0])[:, 64:].mean() > 3
