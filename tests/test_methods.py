"""The thesis's methods as users run them: training with depth, measuring, comparing."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fststyle.__main__ import main
from fststyle.checkpoints import STYLE, load
from fststyle.checkpoints.files import save_tensors
from fststyle.checkpoints.style import STATE, save_transform
from fststyle.config import CompareConfig, EvaluateConfig, StyleTrainConfig, from_options
from fststyle.networks.transform import TransformNet
from fststyle.utils.files import sha256
from tests.conftest import contrasty, picture, run_here, write_clip
from tests.test_train_command import assert_same_runs, with_option

Options = list[Any]
HOURGLASS = Path(__file__).parent.parent / "checkpoints/depth/hourglass.safetensors"


@pytest.fixture
def combined(train_options: Options, tmp_path: Path) -> Options:
    options = with_option(train_options, "--method", "combined")
    options = with_option(options, "--image-size", 48)
    options = with_option(options, "--depth-network", HOURGLASS)
    return with_option(options, "--depth-cache", tmp_path / "cache")


@pytest.mark.slow
def test_a_combined_run_is_taken_up_exactly_and_computes_depth_once(
    combined: Options, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert main(["train", *map(str, with_option(combined, "--run-dir", tmp_path / "whole"))]) == 0
    whole = capsys.readouterr()
    assert "the depth loss adds " in whole.out and "depth of photos: 100%" in whole.err
    kept = {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").rglob("*.png")}
    assert len(kept) == len(list(photos.iterdir()))

    status, error = run_here(capsys, "train", *with_option(combined, "--steps", 3))
    assert status == 0 and "depth of photos" not in error, error
    again = ("train", "--resume", "--name", "tiny", "--run-dir", tmp_path / "run", "--steps", 8)
    # The learning rate falls over the last steps of all there are to be: begun with 3, it differs.
    status, error = run_here(capsys, *again)
    assert status == 0, error
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "cache").rglob("*.png")} == kept

    card = load(tmp_path / "whole/tiny.safetensors", STYLE).card
    assert card["settings"]["method"] == "combined"
    assert card["depth_network"]["kind"] == "hourglass"
    assert card["losses"].keys() == {"content", "content_error", "style", "depth", "locality"}
    events = EventAccumulator(str(tmp_path / "whole/tensorboard"))
    events.Reload()
    assert {"train/depth", "val/depth", "val/content"} <= set(events.Tags()["scalars"])
    image = events.Images("val")[-1]
    # Content, output, weight map, depth of content and of output; 6 photos of 48 pixels.
    assert (image.width, image.height) == (6 * 50 + 2, 5 * 50 + 2)


@pytest.mark.slow
def test_depth_runs_are_interrupted_without_a_trace(
    combined: Options, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two halves of one run, with depth kept nowhere, are the whole."""
    combined = with_option(with_option(combined, "--depth-cache", "off"), "--lr-decay", 0)
    run, whole = tmp_path / "run", tmp_path / "whole"
    again = ("--resume", "--name", "tiny", "--run-dir", run)
    for arguments in (
        (*with_option(combined, "--run-dir", whole), "--steps", 6),
        (*combined, "--steps", 3),
        (*again, "--steps", 6),
    ):
        status, error = run_here(capsys, "train", *arguments)
        assert status == 0, error
    assert_same_runs(run, whole)


def test_depth_is_kept_for_each_precision(
    combined: Options, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Depth in bfloat16 is not float32's."""
    kept = tmp_path / "kept"
    for precision in ("fp32", "bf16"):
        options = with_option(combined, "--run-dir", tmp_path / precision)
        options = with_option(options, "--precision", precision)
        options = with_option(options, "--depth-cache", kept)
        status, error = run_here(capsys, "train", *options, "--steps", 1)
        assert status == 0, error
    assert {folder.name.rpartition("-")[2] for folder in kept.iterdir()} == {"fp32", "bf16"}


def test_own_maps_weigh_content_without_a_depth_network(
    train_options: Options, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    maps = tmp_path / "maps"
    maps.mkdir()
    options = with_option(train_options, "--method", "weighted")
    options = with_option(options, "--weight-map", maps)
    status, error = run_here(capsys, "train", *options)
    assert status == 2 and "no map for 6 of 6 photos, such as 0.png" in error
    for photo in photos.iterdir():
        with Image.open(photo) as image:
            Image.new("L", image.size, 255).save(maps / photo.name)
    # Weights of 3 everywhere: three times the plain run's content loss, before the first step.
    options = with_option(options, "--alpha-max", 3)
    status, error = run_here(capsys, "train", *with_option(options, "--lr", 1e-12))
    assert status == 0, error
    assert "depth" not in load(tmp_path / "run/tiny.safetensors", STYLE).card
    plain = with_option(with_option(train_options, "--lr", 1e-12), "--run-dir", tmp_path / "plain")
    assert run_here(capsys, "train", *plain)[0] == 0
    losses = [
        load(tmp_path / run / "tiny.safetensors", STYLE).card["losses"] for run in ("run", "plain")
    ]
    assert losses[0]["content"] == pytest.approx(3 * losses[1]["content"], rel=1e-5)
    assert losses[0]["style"] == pytest.approx(losses[1]["style"], rel=1e-5)


def test_own_maps_come_before_depth_in_combined_runs(
    combined: Options, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "maps").mkdir()
    options = with_option(combined, "--weight-map", tmp_path / "maps")
    status, error = run_here(capsys, "train", *options)
    assert status == 2 and "no map for 6 of 6 photos" in error


def test_settings_that_do_not_go_together_are_refused() -> None:
    needed = {"style": [Path("a.jpg")], "content": Path("photos"), "name": "x"}
    options: dict[str, Any]
    for options, message in (
        ({"method": "plain", "weight_map": "horizontal"}, "weights no content"),
        ({"alpha_min": 0.0}, "--alpha-min must be above 0"),
        ({"alpha_max": float("inf")}, "--alpha-max must be above 0"),
        ({"image_size": "64", "loss_downscale": 2}, "leaves the depth loss too little"),
        ({"image_size": "1x2x3"}, "a size is 256, or two numbers"),
        ({"stability_weight": -1.0}, "--stability-weight must be 0 or more"),
        ({"stability_weight": 1.0, "image_size": "48"}, "--stability-weight needs an --image-size"),
        ({"loss_downscale": 0}, "--loss-downscale must be at least 1"),
    ):
        with pytest.raises(ValueError, match=message):
            from_options(StyleTrainConfig, {**needed, **options})


def test_something_has_to_be_measured_on() -> None:
    network, clip = (Path("a.safetensors"),), (Path("a.mp4"),)
    refused: list[tuple[dict[str, Any], str]] = [
        ({}, "--photos FOLDER or --videos FILE is needed"),
        ({"videos": clip, "frames": 1}, "--frames must be at least 2"),
        ({"videos": clip, "sheet": Path("a.png")}, "--sheet is about photos"),
    ]
    for options, message in refused:
        with pytest.raises(ValueError, match=message):
            EvaluateConfig(networks=network, **options)


def test_the_thesis_preset_gives_way_to_what_is_said() -> None:
    needed = {"style": [Path("a.jpg")], "content": Path("photos"), "name": "x", "preset": "thesis"}
    thesis = from_options(StyleTrainConfig, needed)
    assert thesis.crop_size == (512, 640) and thesis.loss_downscale == 2 and not thesis.calibrate
    assert (thesis.alpha_min, thesis.alpha_max) == (1, 5)
    assert (thesis.content_weight, thesis.style_weight, thesis.depth_weight) == (1, 1000, 20)
    assert thesis.content_layers == ("relu2_2",) and thesis.layer_factors == (1, 1, 1, 1)
    assert (thesis.style_balance, thesis.optimizer, thesis.init) == ("sum", "adam", "none")
    assert from_options(StyleTrainConfig, {**needed, "style_weight": 3.0}).style_weight == 3


@pytest.fixture
def networks(tmp_path: Path, painting: Path) -> list[Path]:
    """One untrained network for each method, with cards as training writes them."""

    found = []
    for seed, method in enumerate(("plain", "weighted", "depth", "combined")):
        torch.manual_seed(seed)
        settings: dict[str, Any] = {"method": method, "style": [str(painting)]}
        settings |= {"weight_map": "depth", "alpha_min": 1.0, "alpha_max": 5.0}
        card = {
            "style": [{"name": painting.name, "sha256": sha256(painting)}],
            "settings": settings,
            "depth_network": {"kind": "hourglass", "id": load(HOURGLASS).card["id"]},
        }
        found.append(tmp_path / f"{method}.safetensors")
        save_transform(found[-1], TransformNet(4), card)
    say_where_painting_lay(tmp_path, painting)
    return found


def say_where_painting_lay(folder: Path, painting: Path) -> None:
    """As the state of a training beside the network's file does; the file itself is public."""
    save_tensors(folder / STATE, {}, {"settings": {"style": [str(painting)]}})


@pytest.fixture
def unseen(tmp_path: Path) -> Path:
    folder = tmp_path / "unseen"
    folder.mkdir()
    for i in range(3):
        picture(i + 20, 96, 72).save(folder / f"{i}.png")
    (folder / "broken.jpg").write_bytes(b"nothing")
    return folder


def test_networks_are_measured_side_by_side(
    networks: list[Path],
    unseen: Path,
    deep_vgg: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from fststyle.evaluation.style import evaluate

    scene = np.asarray(picture(3, 200, 96))
    times = [40 * i for i in range(6)]
    shown = [scene[:, i : i + 96] for i in range(6)]
    write_clip(tmp_path / "pan.mp4", times, size=(96, 96), shown=shown)
    (tmp_path / "not.mp4").write_bytes(b"nothing")
    status = evaluate(
        networks=(networks[0], tmp_path / "none.safetensors", networks[3]),
        photos=unseen,
        videos=(tmp_path / "not.mp4", tmp_path / "pan.mp4"),
        frames=4,
        size=64,
        style_size=(64,),
        depth_network=str(HOURGLASS),
        second_depth=str(shutil.copy(HOURGLASS, tmp_path)),
        vgg_weights=deep_vgg,
        json=tmp_path / "figures.json",
        sheet=tmp_path / "sheet.png",
        device="cpu",
    )
    printed = capsys.readouterr()
    assert status == 1
    assert "3 photos, shorter side 64 px" in printed.out and "| plain | plain |" in printed.out
    assert "| combined | combined |" in printed.out and "content near : far" in printed.out
    # What it told weights of is not kept by a loss: that is not said of plain.
    assert "also told it in the training of combined: " in printed.out
    for name in ("broken.jpg: not a picture", "none.safetensors: no such", "not.mp4: "):
        assert sum(name in line for line in printed.err.splitlines()) == 1, name
    result = json.loads((tmp_path / "figures.json").read_text())
    pan = result["videos"]["clips"]["pan"]
    assert pan["frames"] == 4 and pan["pairs"] == 3 and 0 < pan["own"]["root"] < 0.02
    assert pan["networks"].keys() == {"plain", "combined"}
    assert min(min(found["root"], found["style"]) for found in pan["networks"].values()) > 0
    assert "| the clip itself |  | 0.0" in printed.out and "| plain | painting | 0." in printed.out
    figures = result["paintings"]["painting"]
    one, two = figures["plain"], figures["combined"]
    low, high = one["interval"]["content"]
    assert low < one["mean"]["content"] < high
    thirds = [one["mean"][f"content {third}"] for third in ("near", "middle", "far")]
    assert sum(thirds) / 3 == pytest.approx(one["mean"]["content"], rel=0.02)
    depths = ["hourglass", str(tmp_path / HOURGLASS.name)]
    assert result["depth_networks"] == depths
    assert {"style", "SSIM", *(f"depth error {name}" for name in depths)} < one["mean"].keys()
    apart = two["mean"]["style"] / one["mean"]["style"] - 1
    assert ("Style losses differ by more than 5%" in printed.out) == (abs(apart) > 0.05)
    assert two["change_against_plain"]["style"][0] == pytest.approx(apart)
    with Image.open(tmp_path / "sheet.png") as drawn:
        assert drawn.width > 4 * 256 and drawn.height > 3 * 256


def test_a_network_that_takes_maps_is_measured_with_several(
    networks: list[Path],
    unseen: Path,
    painting: Path,
    deep_vgg: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (unseen / "broken.jpg").unlink()
    mapped = tmp_path / "mapped.safetensors"
    save_transform(mapped, contrasty(mapped=True), load(networks[1], STYLE).card)
    maps = tmp_path / "maps"
    maps.mkdir()
    for photo in unseen.iterdir():
        Image.linear_gradient("L").resize((96, 72)).save(maps / photo.name)
    figures = tmp_path / "figures.json"
    options = ["--size", 64, "--style-size", 64, "--vgg-weights", deep_vgg, "--device", "cpu"]
    options += ["--depth-network", HOURGLASS, "--json", figures, "--overwrite"]
    command = ["evaluate", networks[0], mapped, "--photos", unseen, *options]
    status, error = run_here(capsys, *command, "--map", maps, "--sheet", tmp_path / "sheet.png")
    assert status == 0, error
    rows = json.loads(figures.read_text())["paintings"]["painting"]
    assert list(rows) == [
        "plain",
        *(f"mapped{r}" for r in ("", ", far crisp", ", map 0", ", map 1")),
    ]
    contents = {name: row["mean"]["content"] for name, row in rows.items()}
    assert len(set(contents.values())) == 5
    status, error = run_here(capsys, *command, "--no-maps", "--map", "none", "--far", 1)
    assert status == 0, error
    rows = json.loads(figures.read_text())["paintings"]["painting"]
    assert rows["mapped"]["mean"]["content"] == pytest.approx(contents["mapped, map 1"])
    # And on the sheet of compare.
    pixels = []
    for name, far in (("a", 0), ("b", 1)):
        drawn = (
            "--content",
            unseen / "0.png",
            "--height",
            48,
            "--output",
            tmp_path / f"{name}.png",
        )
        status, error = run_here(
            capsys, "compare", mapped, *drawn, "--no-depth", "--map", "none", "--far", far
        )
        assert status == 0, error
        with Image.open(tmp_path / f"{name}.png") as image:
            pixels.append(np.asarray(image).astype(int))
    assert np.abs(pixels[0] - pixels[1]).mean() > 1


def test_a_network_is_measured_on_its_own_painting(
    networks: list[Path], unseen: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = unseen / "0.png"
    say_where_painting_lay(networks[0].parent, other)
    status, error = run_here(capsys, "evaluate", networks[0], "--photos", unseen)
    assert status == 2
    assert "was trained on painting.png, which is not at hand as it was then" in error


def test_content_by_thirds_follows_depth() -> None:
    from fststyle.evaluation.photo import content_by_thirds

    content = torch.zeros(1, 2, 6, 6)
    output = content.clone()
    output[..., 0:2, :], output[..., 2:4, :], output[..., 4:6, :] = 3, 2, 1
    rows = torch.arange(12.0)[:, None].expand(12, 12).numpy()  # farther to the bottom
    found = content_by_thirds({"relu1_1": output}, {"relu1_1": content}, ["relu1_1"], rows)
    expected = {"content": 14 / 3, "content near": 9, "content middle": 4, "content far": 1}
    assert found == pytest.approx(expected)


def test_a_sheet_of_the_four_methods(
    networks: list[Path], unseen: Path, painting: Path, tmp_path: Path
) -> None:
    from fststyle.evaluation.compare import _labels, _open, compare

    sheet = tmp_path / "sheet.png"
    content, depth = unseen / "0.png", HOURGLASS
    compare(networks, content=content, style=painting, height=48, depth_network=depth, output=sheet)
    config = CompareConfig(models=networks, content=content)
    assert _labels([_open(path, config) for path in networks]) == [
        *("plain", "weighted", "depth", "combined")
    ]
    with Image.open(tmp_path / "sheet.png") as drawn:
        # Content, style (60 wide), depth, weight map, four methods; 64 wide each.
        assert drawn.size == (8 + 60 + 8 + 7 * (64 + 8), 28 + 48 + 8 + 8)


def test_a_sheet_is_drawn_of_what_can_be_drawn(
    networks: list[Path], unseen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sheet = tmp_path / "sheet.png"
    content = [unseen / "0.png", unseen / "broken.jpg", unseen / "none.png", unseen / "1.png"]
    drawn = ("--no-depth", "--height", 48, "--output", sheet, "--content", *content)
    models = (networks[0], tmp_path / "none.safetensors", networks[1])
    status, error = run_here(capsys, "compare", *models, *drawn)
    assert status == 1
    for name in ("broken.jpg: not a picture", "none.png: no such", "none.safetensors: no such"):
        assert sum(name in line for line in error.splitlines()) == 1, name
    with Image.open(sheet) as image:
        assert image.size == (8 + 3 * (64 + 8), 28 + 2 * (48 + 8) + 8)
    before = sheet.read_bytes()
    status, error = run_here(capsys, "compare", *models, *drawn)
    assert status == 2 and "sheet.png exists already: add --overwrite" in error
    assert sheet.read_bytes() == before
    assert (
        run_here(capsys, "compare", *models, *drawn[:-1], unseen / "1.png", "--overwrite")[0] == 1
    )


@pytest.mark.parametrize("flat", [False, True])
def test_pictures_are_found_by_their_photos_place(tmp_path: Path, flat: bool) -> None:
    """Never one picture for two photos: by the name alone where no other photo bears it."""
    from fststyle.evaluation.output_folder import PictureFolder

    photos = [Path("x/a.jpg"), Path("y/a.jpg"), Path("y/b.jpg"), Path("c.jpg"), Path("c.png")]
    for number, name in enumerate(("a.jpg", "b.png", "c.png") if flat else ("x/a.png", "y/a.jpg")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (4, 4), (10 * number, 0, 0)).save(tmp_path / name)
    folder = PictureFolder(tmp_path, photos)

    def level(photo: Path) -> int | None:
        try:
            return round(np.asarray(folder.picture(photo))[0, 0, 0] / 10)
        except FileNotFoundError:
            return None

    assert [level(photo) for photo in photos] == (
        [None, None, 1, None, 2] if flat else [0, 1, None, None, None]
    )
    # compare names photos by their whole paths.
    beside = PictureFolder(tmp_path / "x", [Path("../some/x/a.jpg")])
    if not flat:
        assert beside.picture(Path("../some/x/a.jpg")).size == (4, 4)


def test_what_is_no_number_is_not_taken_for_equal(networks: list[Path]) -> None:
    from fststyle.evaluation.equivalent_steps import equivalent_steps
    from fststyle.evaluation.model_result import ModelResult
    from fststyle.evaluation.report import comparison, figures, style_warning, table

    nothing: Any = None

    def measured(name: str, style: float) -> ModelResult:
        lists = {
            f: [1.0, 2.0, style]
            for f in ("style", "content", "content near", "content middle", "content far")
        }
        return ModelResult(
            name, "plain", lambda *_: nothing, nothing, "p", (Path("p"),), lists=lists
        )

    group = [measured("good", 3.0), measured("bad", float("nan"))]
    assert "bad +nan%" in style_warning(group)
    assert "| bad | plain | nan [nan, nan] |" in table(group)
    assert "| bad | +nan [+nan, +nan] |" in comparison(group)
    assert np.isnan(figures(group)["bad"]["mean"]["style"])
    assert figures(group)["good"]["interval"]["style"][0] > 0
    config = EvaluateConfig(networks=(), photos=Path())
    assert equivalent_steps(group, [], config) == []


def test_a_network_whose_pictures_are_no_numbers_spoils_no_others_figures(
    networks: list[Path],
    unseen: Path,
    deep_vgg: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    model = load(networks[1], STYLE)
    network, card = model.network, model.card
    with torch.no_grad():
        next(network.parameters()).fill_(1e38)
    save_transform(networks[1], network, card)
    status, error = run_here(
        capsys,
        *("evaluate", *networks[:2], "--photos", unseen, "--size", 64, "--style-size", 64),
        *("--depth-network", HOURGLASS, "--vgg-weights", deep_vgg, "--device", "cpu"),
        *("--json", tmp_path / "figures.json"),
    )
    assert status == 1 and "weighted: pictures that are not finite" in error
    text = (tmp_path / "figures.json").read_text()
    result = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    found = result["paintings"]["painting"]
    assert set(found["weighted"]["mean"].values()) == {None}
    assert None not in found["plain"]["mean"].values()
