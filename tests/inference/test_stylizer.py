import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

from fststyle.config.infer import Grain
from fststyle.images.noise import add_noise
from fststyle.inference.stylizer import Stylizer
from tests.conftest import picture, run_here


@pytest.fixture
def models(exported: Callable[..., Path]) -> dict[str, Path]:
    return {"float": exported(), "uint8": exported(uint8=True)}


def test_float_and_uint8_files_give_the_same_pictures(models: dict[str, Path]) -> None:
    frames = np.asarray(picture(0, 50, 37))[None]
    one, two = (Stylizer(model).run(frames) for model in models.values())
    assert one.shape == frames.shape and one.dtype == np.uint8
    assert np.abs(one.astype(int) - two).max() <= 1
    assert Stylizer(models["float"]).card["step"] == 3


def test_strength_and_color_are_inside_the_graph(models: dict[str, Path]) -> None:
    frames = np.asarray(picture(0, 50, 37))[None]
    content = frames.astype(float)
    for model in models.values():
        stylizer = Stylizer(model)
        full = stylizer.run(frames).astype(float)
        assert np.array_equal(stylizer.run(frames, strength=0), frames)
        half = stylizer.run(frames, strength=0.25)
        assert np.abs(half - (0.25 * full + 0.75 * content)).max() <= 1
        colorize = stylizer.run(frames, keep_color=True)
        inside = ((colorize > 0) & (colorize < 255)).all(-1)
        difference = (colorize - content)[inside]
        assert inside.mean() > 0.5 and difference.std() > 3
        assert np.abs(difference - difference.mean(-1, keepdims=True)).max() <= 1
        luma = np.array([0.299, 0.587, 0.114])
        assert np.abs((colorize - full)[inside] @ luma).max() <= 1.5


def test_files_without_strength_are_told(models: dict[str, Path], tmp_path: Path) -> None:
    """Files of version 0.1 run; only what they lack is refused."""
    model = onnx.load(models["uint8"])
    for name in ("strength", "keep_colour"):
        kept = [i for i in model.graph.input if i.name != name]
        del model.graph.input[:]
        model.graph.input.extend(kept)
    onnx.save(model, tmp_path / "old.onnx")
    stylizer, frames = Stylizer(tmp_path / "old.onnx"), np.zeros((1, 16, 16, 3), np.uint8)
    assert stylizer.run(frames).shape == frames.shape
    with pytest.raises(ValueError, match="has no strength: export it again"):
        stylizer.run(frames, strength=0.5)


def test_pictures_are_the_callers_own(models: dict[str, Path]) -> None:
    """Buffers are used again from picture to picture; what was returned stays."""
    first, second = (np.asarray(picture(seed, 50, 37))[None] for seed in (0, 1))
    for model in models.values():
        stylizer = Stylizer(model)
        output = stylizer.run(first)
        before = output.copy()
        assert not np.array_equal(stylizer.run(second), before)
        assert np.array_equal(output, before)


@pytest.fixture(scope="module")
def stylizer(exported: Callable[..., Path]) -> Stylizer:
    return Stylizer(exported(uint8=True), "cpu", threads=1)


def test_transparency_and_profile_are_kept(stylizer: Stylizer) -> None:
    image = picture(0).convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    image.info["icc_profile"] = b"profile"
    output = stylizer(image)
    assert output.mode == "RGBA" and output.info["icc_profile"] == b"profile"
    assert output.getchannel("A").tobytes() == image.getchannel("A").tobytes()


def test_nobody_sees_which_colors_are_hidden(stylizer: Stylizer) -> None:
    alpha = Image.new("L", (64, 48), 255)
    alpha.paste(0, (0, 0, 32, 48))
    made = []
    for hidden in ("black", "white", "red"):
        image = picture(0).resize((64, 48))
        image.paste(hidden, (0, 0, 32, 48))
        image.putalpha(alpha)
        made.append(np.asarray(stylizer(image))[:, 32:])
    assert np.array_equal(made[0], made[1]) and np.array_equal(made[0], made[2])


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "I;16"])
def test_a_picture_is_what_infer_makes_of_its_file(
    mode: str, stylizer: Stylizer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether it is given by its path or opened; with every control of ``infer``'s."""
    photo, made = tmp_path / "photo.png", tmp_path / "made.png"
    exif = Image.Exif()
    exif[0x0112] = 6  # turned
    wide = Image.fromarray(np.asarray(picture(3).convert("L"), np.uint16) << 8)
    image = wide if mode == "I;16" else picture(3).convert(mode)
    if mode.endswith("A"):
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    image.save(photo, exif=exif, icc_profile=b"profile")
    options = ["--strength", 0.75, "--grain", 7, "--keep-colour", "--max-size", 50, "--tile", 0.01]
    command = ["infer", stylizer.model, photo, "--output", made, "--overwrite", "--provider", "cpu"]
    cases: list[tuple[dict[str, Any], list[Any]]] = [
        ({}, []),
        (
            {"strength": 0.75, "grain": 7, "keep_color": True, "max_size": 50, "tile": 0.01},
            [*options, "--threads", 1],
        ),
    ]
    for controls, given in cases:
        status, error = run_here(capsys, *command, *given)
        assert status == 0, error
        with Image.open(made) as expected, Image.open(photo) as opened:
            for output in (
                stylizer(photo, **controls),
                stylizer(str(photo), **controls),
                stylizer(opened, **controls),
            ):
                assert output.mode == expected.mode and output.size == expected.size
                assert output.tobytes() == expected.tobytes()
                assert output.info.get("icc_profile") == expected.info.get("icc_profile")
            assert opened.info["icc_profile"] == b"profile" and opened.mode == image.mode


def test_arrays_keep_their_shape(stylizer: Stylizer) -> None:
    frames = np.stack([np.asarray(picture(seed)) for seed in range(3)])
    made = stylizer(frames, grain=5)
    assert made.shape == frames.shape and made.dtype == np.uint8
    for frame, stylized in zip(frames, made, strict=True):
        assert np.array_equal(stylizer(frame, grain=5), stylized)
        assert np.array_equal(np.asarray(stylizer(Image.fromarray(frame), grain=5)), stylized)
    assert np.array_equal(stylizer.run(add_noise(frames[:1], Grain(5))), made[:1])
    batched = stylizer(frames[:, ::-1], batch_size=2)  # not contiguous
    assert np.abs(batched.astype(int) - stylizer(frames[:, ::-1])).max() <= 1
    assert stylizer(frames[:0]).shape == (0, 48, 64, 3)
    assert stylizer(frames, max_size=32).shape == (3, 24, 32, 3)
    assert np.array_equal(stylizer(frames, strength=0), frames), "the original has no grain"


def test_it_is_the_same_from_a_pickle(
    models: dict[str, Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(models["uint8"].parent)
    stylizer = Stylizer(Path(models["uint8"].name), "cpu", threads=1)
    assert re.fullmatch(r"Stylizer\('.*\.onnx', provider='cpu', threads=1\)", repr(stylizer))
    pickled = pickle.dumps(stylizer)
    monkeypatch.chdir(tmp_path)
    again = pickle.loads(pickled)
    assert repr(again).endswith("provider='cpu', threads=1)")
    frame = np.asarray(picture(0))
    assert np.array_equal(again(frame), stylizer(frame))


def test_controls_may_be_numbers_of_numpy(stylizer: Stylizer) -> None:
    controls: dict[str, Any] = {"strength": np.float32(0.5), "keep_color": np.True_}
    controls |= {"max_size": np.int32(32), "batch_size": np.int64(1)}
    frame = np.asarray(picture(0))
    expected = stylizer(frame, strength=0.5, keep_color=True, max_size=32)
    assert np.array_equal(stylizer(frame, **controls), expected)
    assert np.array_equal(np.asarray(stylizer(Image.fromarray(frame), **controls)), expected)
    del controls["max_size"]
    expected = stylizer(frame, strength=0.5, keep_color=True)
    assert np.array_equal(next(stylizer.stream([frame], **controls)), expected)


@pytest.mark.parametrize(
    ("given", "controls", "kind", "message"),
    [
        ([[1, 2], [3, 4]], {}, TypeError, "a Pillow image, a path or an array, not list"),
        (np.zeros((20, 20, 3), np.float32), {}, TypeError, "array of uint8 .* not of float32"),
        (np.zeros((20, 20, 4), np.uint8), {}, ValueError, "H×W×3 or N×H×W×3 is needed"),
        (np.zeros((20, 20), np.uint8), {}, ValueError, "H×W×3 or N×H×W×3 is needed"),
        (np.zeros((15, 20, 3), np.uint8), {}, ValueError, "20x15 pixels; at least 16x16"),
        ("none.jpg", {}, FileNotFoundError, "none.jpg: no such file"),
        (picture(0), {"strength": 1.5}, ValueError, r"strength must lie in \[0, 1\], not 1.5"),
        (picture(0), {"strength": float("nan")}, ValueError, "strength must lie in"),
        (picture(0), {"grain": 65}, ValueError, "grain must lie in"),
        (picture(0), {"tile": -1}, ValueError, "tile must be 0 or lie in"),
        (picture(0), {"max_size": 8}, ValueError, "max-size must be at least 16"),
        (picture(0), {"batch_size": 0}, ValueError, "batch-size must be at least 1"),
    ],
)
def test_what_is_no_picture_is_refused_in_a_line(
    given: Any, controls: Any, kind: type[Exception], message: str, stylizer: Stylizer
) -> None:
    with pytest.raises(kind, match=message) as caught:
        stylizer(given, **controls)
    assert "\n" not in str(caught.value)


def test_what_is_no_map_or_no_picture_is_refused(stylizer: Stylizer) -> None:
    pixels = np.zeros((32, 48, 3), np.uint8)
    wrong: Any
    for wrong in ([[1.0]], 5, b"none", True):
        for name in ("mask", "weight_map"):
            with pytest.raises(TypeError, match="a map is a path, a picture or an array, not"):
                stylizer(pixels, **{name: wrong})
    for wrong in (pixels[..., 0], Image.fromarray(pixels)):
        with pytest.raises(TypeError, match="a stream's map is a path, not"):
            stylizer.stream([pixels], weight_map=wrong)
    for wrong in (np.zeros((0, 0, 3), np.uint8), Image.new("RGB", (0, 0))):
        with pytest.raises(ValueError, match="0x0 pixels; at least 16x16 are needed"):
            stylizer(wrong)


def test_a_picture_that_breaks_off_is_told_in_a_line(stylizer: Stylizer, tmp_path: Path) -> None:
    picture(0, 200, 200).save(tmp_path / "whole.jpg")
    data = (tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(data[: len(data) // 2])
    with (
        Image.open(tmp_path / "cut.jpg") as opened,
        pytest.raises(ValueError, match="not a picture that can be decoded"),
    ):
        stylizer(opened)
