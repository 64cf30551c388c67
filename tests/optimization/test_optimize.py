"""``optimize`` as users run it, and the descent under it."""

import json
import math
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from fststyle.__main__ import main
from fststyle.checkpoints.files import save_tensors
from fststyle.checkpoints.style import STATE, save_transform
from fststyle.config import OptimizeConfig, from_options
from fststyle.images.io import write_image
from fststyle.networks.color import luma
from fststyle.networks.transform import TransformNet
from fststyle.optimization import image_optimizer, memory, results
from fststyle.optimization.descent import Descent
from fststyle.optimization.image_optimizer import ImageOptimizer
from fststyle.utils.files import sha256
from fststyle.utils.nonfinite import NonFiniteError
from tests.conftest import ROOT, interrupting, picture, run_here

Options = list[Any]


def towards(target: float) -> Any:
    def loss_fn(image: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        distance = (image - target).square().sum()
        return distance, {"distance": distance}

    return loss_fn


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
def test_descent_goes_down_and_keeps_the_best(optimizer: Any) -> None:
    descent = Descent(towards(0.7), torch.full((1, 3, 4, 4), 0.2), optimizer)
    assert list(descent.run(60)) == list(range(61))
    assert len(descent.curve) == 61
    losses = [terms["loss"] for terms in descent.curve]
    assert descent.best_loss == min(losses) < 1e-3 * losses[0]
    assert descent.best_terms == {"distance": descent.best_loss}
    torch.testing.assert_close(descent.best, torch.full((1, 3, 4, 4), 0.7), atol=0.02, rtol=0)


def test_descent_stays_in_the_box() -> None:
    descent = Descent(towards(3.0), torch.full((1, 3, 4, 4), 0.2))
    list(descent.run(20))
    assert (descent.best == 1).all()


def test_descent_goes_back_from_what_is_not_finite_and_from_astray() -> None:
    calls = 0

    def loss_fn(image: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        nonlocal calls
        calls += 1
        loss = (image - 0.7).pow(4).sum()  # too flat at its best to be there at once
        factor = {6: math.nan, 9: 1e6}.get(calls, 1.0)
        return loss * factor, {}

    descent = Descent(loss_fn, torch.linspace(0, 1, 48).view(1, 3, 4, 4))
    list(descent.run(12))
    losses = [terms["loss"] for terms in descent.curve]
    assert len(losses) == 13 and calls == 15 and all(map(math.isfinite, losses))
    assert descent.mishaps == 1 and losses[5] == min(losses[:5])
    assert descent.best_loss < 1e-2 * losses[0]


def test_descent_finds_down_from_a_slope_that_its_first_step_overshoots() -> None:
    descent = Descent(towards(0.2001), torch.full((1, 3, 4, 4), 0.2))
    list(descent.run(20))
    assert descent.best_loss < 1e-3 * descent.curve[0]["loss"]


def test_descent_gives_up_where_nothing_helps() -> None:
    descent = Descent(towards(math.nan), torch.full((1, 3, 4, 4), 0.2))
    with pytest.raises(NonFiniteError, match="--precision fp32"):
        list(descent.run(3))
    assert (descent.best == torch.full((1, 3, 4, 4), 0.2)).all()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    picture(5, 64, 48).save(path)
    return path


@pytest.fixture
def options(painting: Path, vgg_file: Path, tmp_path: Path) -> Options:
    """A run of ``optimize`` that takes seconds."""
    return [
        *("--style", painting, "--vgg-weights", vgg_file, "--no-calibrate", "--method", "plain"),
        *("--style-layers", "relu1_2", "relu2_2", "--style-size", 48, "--style-weight", 100),
        *("--size", 64, "--steps", 6, "--precision", "fp32", "--device", "cpu", "--tv-weight", 0),
        *("--output", tmp_path / "result.png", "--record", "--overwrite"),
    ]


def read(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), np.float32) / 255


def curves(path: Path) -> list[list[dict[str, float]]]:
    return [level["curve"] for level in json.loads(path.read_text())["levels"]]


def test_a_picture_and_its_record(
    photo: Path, options: Options, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    progress = tmp_path / "progress"
    more = ("--progress", progress, "--picture-interval", 3)
    status, error = run_here(capsys, "optimize", photo, *options, *more)
    assert status == 0, error
    assert re.search(r"6/6 \[.*loss \S+ content \S+ style \S+\]", error)
    assert read(tmp_path / "result.png").shape == (48, 64, 3)
    record = json.loads((tmp_path / "result.png.json").read_text())
    (level,) = record["levels"]
    assert level["size"] == [64, 48] and len(level["curve"]) == 7
    assert level["curve"][0]["content"] == 0
    assert level["curve"][-1]["loss"] < 0.5 * level["curve"][0]["loss"]
    assert record["style"][0]["name"] == "painting.png" and record["seconds"] > 0
    assert record["settings"]["style_weight"] == 100
    shown = {file.name for file in (progress / "result.png").glob("*.jpg")}
    assert shown == {"00000.jpg", "00003.jpg", "00006.jpg"}
    assert list((progress / "result.png/tensorboard").iterdir())


def test_coarse_to_fine_begins_with_what_the_coarse_found(
    photo: Path, options: Options, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ("--size", 32, 48, 64, "--steps", 20, 10, 2)
    status, error = run_here(capsys, "optimize", photo, *options, *more)
    assert status == 0, error
    sizes = [
        level["size"] for level in json.loads((tmp_path / "result.png.json").read_text())["levels"]
    ]
    assert sizes == [[32, 24], [48, 36], [64, 48]]
    assert [len(curve) for curve in curves(tmp_path / "result.png.json")] == [21, 11, 3]
    fine = curves(tmp_path / "result.png.json")[-1]
    run_here(capsys, "optimize", photo, *options)
    assert fine[0]["loss"] < 0.5 * curves(tmp_path / "result.png.json")[0][0]["loss"]


def test_photos_too_small_are_refused(
    options: Options, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture(0, 80, 15).save(tmp_path / "flat.png")
    status, error = run_here(capsys, "optimize", tmp_path / "flat.png", *options)
    assert status == 2 and "flat.png: 80×15 pixels: more than 15 are needed" in error


def test_what_to_begin_with(
    photo: Path, options: Options, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    network = TransformNet(4).eval()
    save_transform(tmp_path / "net.safetensors", network, {})
    with torch.inference_mode():
        content = torch.from_numpy(read(photo)).permute(2, 0, 1)[None]
        output = network(content).clamp(0, 1)
    Image.fromarray((output[0].permute(1, 2, 0).numpy() * 255 + 0.5).astype(np.uint8)).save(
        tmp_path / "start.png"
    )
    first = {}
    for init in ("noise", tmp_path / "net.safetensors", tmp_path / "start.png"):
        status, error = run_here(
            capsys, "optimize", photo, *options, "--init", init, "--steps", 1, "--lr", 1e-3
        )
        assert status == 0, error
        first[str(init)] = curves(tmp_path / "result.png.json")[0][0]["loss"]
    noise, from_network, from_picture = first.values()
    assert from_picture == pytest.approx(from_network, rel=0.02)
    assert noise != pytest.approx(from_network, rel=0.02)
    for init, problem in (
        (tmp_path / "no.png", "no.png: no such file"),
        ("hourglass", "hourglass.safetensors: holds a 'hourglass', not a style network"),
    ):
        status, error = run_here(capsys, "optimize", photo, *options, "--init", init)
        assert status == 2 and problem in error


def test_sixteen_bits(
    photo: Path, options: Options, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_here(capsys, "optimize", photo, *options)[0] == 0
    eight = read(tmp_path / "result.png")
    for suffix in (".png", ".tiff"):
        deep = tmp_path / f"deep{suffix}"
        assert run_here(capsys, "optimize", photo, *options, "--bits", 16, "--output", deep)[0] == 0
        values = cv2.imread(str(deep), cv2.IMREAD_UNCHANGED)
        assert values is not None
        assert values.dtype == np.uint16 and len(np.unique(values)) > 256
        np.testing.assert_allclose(values[..., ::-1] / 65535, eight, atol=0.51 / 255)
    status, error = run_here(
        capsys, "optimize", photo, *options, "--bits", 16, "--output", tmp_path / "deep.jpg"
    )
    assert status == 2 and ".jpg has no 16 bits per channel; use .png, .tif, .tiff" in error


def test_the_photos_colors_stay(
    photo: Path, options: Options, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_here(capsys, "optimize", photo, *options, "--keep-colour")[0] == 0
    content, output = read(photo), read(tmp_path / "result.png")
    inside = ((output > 0) & (output < 1)).all(-1)
    difference = (output - content)[inside]
    assert inside.mean() > 0.5 and difference.std() > 0.01
    np.testing.assert_allclose(difference - difference.mean(-1, keepdims=True), 0, atol=1 / 255)


def test_a_folder_of_photos(
    photos: Path, options: Options, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each has its picture; one that is broken does not stop the rest, which are not done twice."""
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    for i in range(2):
        picture(i).save(mixed / f"{i}.png")
    (mixed / "2.jpg").write_bytes(b"nothing")
    folder = tmp_path / "pictures"
    more = ("--output", folder, "--steps", 1)
    status, error = run_here(capsys, "optimize", mixed, *options, *more)
    assert status == 1 and "2.jpg: not a picture" in error
    assert {file.name for file in folder.iterdir()} == {
        "0.png",
        "0.png.json",
        "1.png",
        "1.png.json",
    }
    before = (folder / "0.png").stat().st_mtime_ns
    (folder / "1.png").unlink()
    run_here(capsys, "optimize", mixed, *options, *more, "--skip-existing")
    assert (folder / "0.png").stat().st_mtime_ns == before and (folder / "1.png").exists()
    status, error = run_here(capsys, "optimize", mixed, *options)
    assert status == 2 and "names one picture, but there are 3 photos" in error


def test_every_photo_has_a_picture_of_its_own_and_one_that_fails_stops_no_other(
    options: Options,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder, output, progress = (tmp_path / name for name in ("photos", "pictures.v2", "progress"))
    for name, height in (("a.jpg", 48), ("a.png", 56), ("x/a.webp", 64), ("e.png", 72)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        picture(0, 64, height).save(folder / name)
    (folder / "b.png").symlink_to(tmp_path / "nowhere")
    Image.new("RGB", (80, 8)).save(folder / "c.png")
    target_of = ImageOptimizer._begin

    def begin(self: Any, photo: Path, *rest: Any) -> Any:
        if photo.name == "e.png":  # in torch's words
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")
        return target_of(self, photo, *rest)

    monkeypatch.setattr(ImageOptimizer, "_begin", begin)
    options = options[: options.index("--output")]
    more = ("--bits", 16, "--steps", 1, "--output", output, "--progress", progress)
    photos = (folder, tmp_path / "none.png")
    status, error = run_here(capsys, "optimize", *photos, *options, *more)
    assert status == 1
    for reason in (
        "none.png: no such",
        "b.png: no such file",
        "c.png: 80×8 pixels",
        "e.png: too little memory",
    ):
        assert sum(reason in line for line in error.splitlines()) == 1, reason
    made = {str(file.relative_to(output)): read(file).shape[0] for file in output.rglob("*.*")}
    assert made == {"a.png": 56, "a-2.png": 48, "x/a.png": 64}
    assert {file.parent.relative_to(progress) for file in progress.rglob("00001.jpg")} == {
        Path(name) for name in made
    }
    (output / "a-2.png").write_bytes(b"mine")
    status, error = run_here(capsys, "optimize", folder, *options, *more)
    assert status == 1 and " exists already: add --overwrite" in error
    assert (output / "a-2.png").read_bytes() == b"mine"


def test_what_belongs_to_a_photo_has_its_place_in_another_folder(
    options: Options, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its map, and the picture to begin with."""
    for day, level in (("monday", 255), ("tuesday", 0)):
        for name, image in (
            ("photos", picture(1)),
            ("maps", Image.new("L", (64, 48), level)),
            ("begin", Image.new("RGB", (64, 48), (level, 0, 0))),
        ):
            (tmp_path / name / day).mkdir(parents=True)
            image.save(tmp_path / name / day / "a.png")
    status, error = run_here(
        *(capsys, "optimize", tmp_path / "photos", *options, "--method", "weighted", "--steps", 1),
        *("--weight-map", tmp_path / "maps", "--init", tmp_path / "begin"),
        *("--output", tmp_path / "out"),
    )
    assert status == 0, error
    # White and black are weights of 5 and 0.2.
    monday, tuesday = (
        curves(tmp_path / "out" / day / "a.png.json")[0][0]["content"]
        for day in ("monday", "tuesday")
    )
    assert monday > 5 * tuesday


def test_a_picture_too_large_for_memory_is_refused_before_it_starts(
    photo: Path,
    options: Options,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(image_optimizer, "available", lambda _: 64 * 48 * 2500)
    status, error = run_here(capsys, "optimize", photo, *options)
    assert status == 2 and not (tmp_path / "result.png").exists()
    found = re.search(
        r"64×48 pixels need about .* GB of memory, .* free: --size (\d+) would", error
    )
    assert found is not None, error
    assert run_here(capsys, "optimize", photo, *options, "--size", found[1])[0] == 0


def test_memory_grows_with_the_pixels() -> None:
    def loss_fn_of(content: Tensor) -> Any:
        return lambda image: ((image * content).square().sum(), {})

    need = memory.measure_need(loss_fn_of, 10, torch.device("cpu"))
    # Saved are content and the product, of 12 bytes a pixel each.
    expected = 2 * 12 * memory.BACKWARD + (2 * 10 + memory.VECTORS) * 12
    assert need.per_pixel == pytest.approx(expected)
    assert memory.available(torch.device("cpu")) > 1e8


def test_ctrl_c_keeps_the_best_picture(
    photo: Path,
    options: Options,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    more = ("--steps", 100, "--progress", tmp_path / "progress", "--picture-interval", 1)
    monkeypatch.setattr(results, "write_image", interrupting(write_image, 6))
    assert main(["optimize", *map(str, (photo, *options, *more))]) == 130
    assert "holds the best picture so far" in capsys.readouterr().out
    (curve,) = curves(tmp_path / "result.png.json")
    assert 5 < len(curve) < 100
    assert read(tmp_path / "result.png").shape == (48, 64, 3)


def test_a_loss_that_is_not_finite_leaves_what_was_there(
    photo: Path, options: Options, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "result.png").write_bytes(b"before")
    status, error = run_here(capsys, "optimize", photo, *options, "--style-weight", 1e38)
    assert status == 2 and "not finite" in error and "Traceback" not in error
    assert (tmp_path / "result.png").read_bytes() == b"before"


def test_settings_that_do_not_go_together_are_refused() -> None:
    needed = {"style": [Path("a.jpg")], "inputs": ["photo.jpg"]}
    for options, message in (
        ({"size": [512, 256]}, "--size goes from coarse to fine"),
        ({"size": [16]}, "--size takes 32 pixels or more"),
        ({"size": [64, 128], "steps": [1, 2, 3]}, "one for each of 2 sizes"),
        ({"bits": 12}, "--bits must be 8 or 16"),
        ({"style_blend": [1.0, 2.0]}, "--style-blend takes a number for each painting: 1, not 2"),
        ({"style_blend": [0.0]}, "not all 0"),
        ({"lr": 0.0}, "--lr must be above 0"),
        ({"history": 0}, "--history must be at least 1"),
        ({"far": 1.5}, r"--far must lie in \[0, 1\]"),
        ({"method": "plain", "mask": "mask.png"}, "so --near, --far, --focus and --mask"),
    ):
        with pytest.raises(ValueError, match=message):
            from_options(OptimizeConfig, {**needed, **options})
    thesis = from_options(OptimizeConfig, {**needed, "preset": "thesis"})
    assert (thesis.size, thesis.loss_downscale, thesis.style_weight) == ((640,), 2, 1000)


def test_luma_is_bt_601() -> None:
    colors = torch.eye(3).view(1, 3, 3, 1)
    torch.testing.assert_close(luma(colors).flatten(), torch.tensor([0.299, 0.587, 0.114]))


def test_pictures_are_measured_beside_networks(
    photos: Path,
    options: Options,
    painting: Path,
    deep_vgg: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In the table of ``evaluate``, and a network's loss as steps of the optimization."""
    from fststyle.evaluation.style import evaluate

    unseen, pictures = tmp_path / "unseen", tmp_path / "pictures"
    unseen.mkdir()
    for i in range(2):
        picture(i + 20, 96, 72).save(unseen / f"{i}.png")
    deep: tuple[Any, ...] = ("--vgg-weights", deep_vgg, "--calibrate", "--style-weight", 4)
    deep += ("--style-layers", "relu1_2", "relu2_2", "relu3_3", "relu4_3")
    more = ("--output", pictures, "--size", 72, "--steps", 8, "--history", 4)
    assert run_here(capsys, "optimize", unseen, *options, *deep, *more)[0] == 0
    torch.manual_seed(0)
    card = {
        "style": [{"name": painting.name, "sha256": sha256(painting)}],
        "settings": {"method": "plain", "style": [str(painting)]},
    }
    save_transform(tmp_path / "net.safetensors", TransformNet(4), card)
    save_tensors(tmp_path / STATE, {"step": torch.zeros(1)}, card)  # says where the painting lies
    evaluate(
        networks=(tmp_path / "net.safetensors", pictures),
        photos=unseen,
        style_size=(48,),
        depth_network=str(ROOT / "checkpoints/depth/hourglass.safetensors"),
        vgg_weights=deep_vgg,
        json=tmp_path / "figures.json",
        sheet=tmp_path / "sheet.png",
        device="cpu",
    )
    printed = capsys.readouterr().out
    assert "2 photos, at the pictures' size" in printed and "| pictures | plain |" in printed
    figures = json.loads((tmp_path / "figures.json").read_text())
    measured = figures["paintings"]["painting"]["pictures"]["mean"]
    recorded = [curves(pictures / f"{i}.png.json")[0] for i in range(2)]
    best = [min(curve, key=lambda terms: terms["loss"]) for curve in recorded]
    # The same objective, but for eight bits.
    assert measured["content"] == pytest.approx(sum(b["content"] for b in best) / 2, rel=0.05)
    (found,) = figures["as_steps"]
    assert (found["network"], found["optimization"]) == ("net", "pictures")
    assert len(found["steps"]) == 2 and "net's loss" in printed


def test_near_and_far_are_told_as_to_a_network(
    photo: Path, options: Options, tmp_path: Path, capsys: Any
) -> None:
    """Where the map is white the photo stays, unless near and far are changed round, or a mask is
    white there."""
    with Image.open(photo) as opened:
        content = np.asarray(opened.convert("RGB")).astype(int)
    white = tmp_path / "mask.png"
    Image.new("L", (content.shape[1], content.shape[0]), 255).save(white)
    gradient = ("--method", "weighted", "--weight-map", "horizontal", "--alpha-max", 100)
    third = content.shape[1] // 3
    changes = {}
    for name, more in (
        ("right", ()),
        ("left", ("--near", 0, "--far", 1)),
        ("middle", ("--focus", 0.5)),
        ("all", ("--mask", white)),
    ):
        target = tmp_path / f"{name}.png"
        made = ("--output", target, "--style-weight", 100)
        status, error = run_here(capsys, "optimize", photo, *options, *gradient, *made, *more)
        assert status == 0, error
        with Image.open(target) as opened:
            change = np.abs(np.asarray(opened).astype(int) - content).mean((0, 2))
        changes[name] = [
            part.mean() for part in (change[:third], change[third:-third], change[-third:])
        ]
    assert changes["right"][2] < changes["left"][2] and changes["left"][0] < changes["right"][0]
    assert changes["middle"][1] < changes["right"][1] and changes["middle"][2] > changes["right"][2]
    assert sum(changes["all"]) < min(sum(c) for name, c in changes.items() if name != "all")


def test_pictures_are_drawn_with_the_weights_they_were_made_with(
    photo: Path, options: Options, painting: Path, tmp_path: Path, capsys: Any
) -> None:
    """The thesis's figure 10: a weight map that is an even gradient, and its picture."""
    gradient = ("--method", "weighted", "--weight-map", "horizontal", "--alpha-min", 1)
    pictures, sheet = tmp_path / "gradient", tmp_path / "sheet.png"
    more = ("--alpha-max", 10, "--output", pictures)
    assert run_here(capsys, "optimize", photo, *options, *gradient, *more)[0] == 0
    drawn = ("--content", photo, "--style", painting, "--height", 48, "--output", sheet)
    assert run_here(capsys, "compare", pictures, *drawn)[0] == 0
    with Image.open(sheet) as image:
        # Content, painting (60 wide), weight map, picture.
        assert image.size == (8 + 60 + 8 + 3 * (64 + 8), 28 + 48 + 8 + 8)
    other = tmp_path / "other.png"
    picture(6).save(other)
    sheet.unlink()
    status, error = run_here(capsys, "compare", pictures, "--content", other, *drawn[2:])
    assert status == 2 and "no picture named as the photo" in error
