"""Styles to give away, and those that are given away with the project."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from fststyle.checkpoints import STYLE, load
from fststyle.checkpoints.exported import OF_THE_FILE
from fststyle.checkpoints.style import save_transform
from fststyle.config import InferConfig
from fststyle.inference.styles import read_card
from fststyle.inference.stylizer import Stylizer
from fststyle.utils import pretrained as shipped
from fststyle.utils.pretrained import shipped_styles
from fststyle.utils.tensors import as_tensor
from tests.conftest import ROOT, contrasty, picture, run_command, run_here

STYLES = ROOT / "checkpoints" / "styles"
PAINTING = ("--title", "A Field", "--painter", "Nobody", "--year", 1900)


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    path = tmp_path / "run" / "field.safetensors"
    path.parent.mkdir()
    settings = {"style": ["/home/me/field.jpg"], "content": "/home/me/photos", "steps": 7}
    styles = [{"name": "field.jpg", "sha256": "0" * 64}]
    save_transform(path, contrasty(), {"style": styles, "settings": settings, "step": 7})
    return path


def test_a_published_style_is_found_by_its_name(
    traced_once: None,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(shipped, "CHECKPOINTS", tmp_path)
    monkeypatch.chdir(tmp_path)
    figures, styles = tmp_path / "figures.json", tmp_path / "styles"
    measured = {"field": {"mean": {"style": 0.5, "content": 2.0}}}
    clips = {clip: {"networks": {"field": {"root": e}}} for clip, e in (("a", 0.125), ("b", 0.375))}
    found = {"photos": 3, "size": "64", "paintings": {"a": measured}, "videos": {"clips": clips}}
    figures.write_text(json.dumps(found))
    status, error = run_here(
        *(capsys, "publish", trained, *PAINTING, "--licence", "MIT", "--note", "of three photos"),
        *("--figures", figures, "--output", styles),
    )
    assert status == 0, error
    card = read_card(styles / "field.onnx")
    assert card["painting"] == {"title": "A Field", "painter": "Nobody", "year": "1900"}
    assert card["licence"] == "MIT" and card["note"] == "of three photos"
    means = {"style": 0.5, "content": 2.0, "warping error": 0.25}
    assert card["figures"] == {"photos": 3, "size": "64", **means}
    assert card["settings"] == {"steps": 7} and card["precision"] == "fp16"
    assert [file.name for file in styles.iterdir()] == ["field.onnx"]
    network = load(styles / "field.onnx", STYLE).network
    for name, value in network.state_dict().items():
        # Kernels have few bits, so that files compress well.
        assert value.ndim != 4 or torch.equal(value, value.bfloat16().float()), name
    assert "/home/me" not in json.dumps(card)
    assert str(ROOT).encode() not in (styles / "field.onnx").read_bytes()
    photo = picture(1, 60, 50)
    photo.save(tmp_path / "photo.png")

    capsys.readouterr()
    assert run_here(capsys, "infer", "--list")[0] == 0
    assert run_here(capsys, "infer", "field", "photo.png", "--output", "made.png")[0] == 0
    assert (tmp_path / "made.png").is_file()
    with torch.no_grad():
        expected = network(as_tensor(photo)).clamp(0, 1)[0].permute(1, 2, 0).numpy() * 255
    output = Stylizer(styles / "field.onnx").run(np.asarray(photo)[None])[0]
    assert np.abs(output - expected).mean() < 1.5


def test_what_cannot_be_published(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures, there = tmp_path / "figures.json", tmp_path / "there"
    there.mkdir()
    (there / "field.onnx").touch()
    figures.write_text('{"photos": 3, "size": "64", "paintings": {"a": {"other": {}}}}')
    for options, message in (
        (("--output", there), "field.onnx exists already: add --overwrite"),
        (("--figures", tmp_path / "none.json"), "no such file"),
        (("--figures", trained), "was not written by evaluate --photos … --json"),
        (("--figures", figures), "has no figures of field"),
    ):
        output = ("--output", tmp_path / "out")
        status, error = run_here(capsys, "publish", trained, *PAINTING, *output, *options)
        assert status == 2 and message in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()
    itself = STYLES / "udnie.onnx"
    status, error = run_here(capsys, "publish", itself, *PAINTING, "--overwrite")
    assert status == 2 and "udnie.onnx would be overwritten" in error


def test_a_name_that_is_no_style_is_told_those_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    for inputs, message in (
        (["photo.jpg"], "photo.jpg is no style: the styles that ship are .*starry_night"),
        (["mine.safetensors", "photo.jpg"], "export mine.safetensors --uint8"),
        ([], "a style comes first"),
        (["starry_night"], "what is to be stylized"),
        (["--list", "photo.jpg"], "--list takes styles only: photo.jpg is no style"),
        (["Graet_wave", "photo.jpg"], "Graet_wave is no style; did you mean great_wave"),
        (["photo.jpg", "udnie"], "the style comes first: infer udnie photo.jpg"),
    ):
        status, error = run_here(capsys, "infer", *inputs)
        assert status == 2 and re.search(message, error) and error.count("\n") == 1


def test_options_may_stand_between_a_style_and_its_photos(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo, output = tmp_path / "photo.png", tmp_path / "made.png"
    picture(0).save(photo)
    given = ("udnie_live", "--map", "none", photo, "--output", output)
    assert run_here(capsys, "infer", *given)[0] == 0
    assert output.is_file()


def test_names_of_styles_are_styles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a folder is called so, as ``--output great_wave`` makes one, unless nothing else
    is there to be stylized."""
    monkeypatch.chdir(tmp_path)

    def parted(*inputs: str) -> tuple[list[str], tuple[str, ...]]:
        config = InferConfig(inputs=inputs)
        return [path.name for path in config.models], config.media

    styles = ["starry_night.onnx", "mine.onnx", "great_wave.onnx"]
    for _ in ("nothing there", "a folder there"):
        for photo in ("a.jpg", "./great_wave", "great_wave/"):
            inputs = ("starry_night", "mine.onnx", "great_wave", photo)
            assert parted(*inputs) == (styles, (photo,))
        (tmp_path / "great_wave").mkdir(exist_ok=True)
    assert parted("starry_night", "great_wave") == (styles[:1], ("great_wave",))
    assert InferConfig(inputs=("great_wave",), list=True).models[0].parent.name == "styles"


def test_the_styles_that_ship_can_be_listed() -> None:
    done = run_command("infer", "--list")
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(shipped_styles())
    done = run_command("infer", "--list", "great_wave")
    assert json.loads(done.stdout)["painting"]["painter"] == "Katsushika Hokusai"


def test_a_list_may_be_read_in_part() -> None:
    command = [sys.executable, "-m", "fststyle", "infer", "--list"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert process.wait() == 0 and process.stderr.read() == ""


@pytest.mark.parametrize("name", shipped_styles())
def test_a_style_that_ships_is_whole(name: str) -> None:
    model = load(name, STYLE)
    stylizer = Stylizer(STYLES / f"{name}.onnx")
    card = stylizer.card
    assert {"painting", "licence", "note", "figures", "settings", "step"} <= card.keys()
    if name.endswith("_live"):
        assert Path(card["teacher"]["source"]).stem == name.removesuffix("_live")
    else:
        assert card["settings"]["method"] in ("weighted", "combined")
        assert card["settings"]["loss_network"] == "vgg19"
    assert "time" in card["settings"] or card["step"] == card["settings"]["steps"]
    assert model.card == {key: card[key] for key in card if key not in OF_THE_FILE}
    assert not re.search(r"/\w+/", json.dumps(card["settings"])), "no paths"
    assert b".py" not in (STYLES / f"{name}.onnx").read_bytes(), "nor in the graph"
    photo = picture(3, 96, 80)
    with torch.no_grad():
        expected = model.network(as_tensor(photo)).clamp(0, 1)[0].permute(1, 2, 0).numpy() * 255
    output = stylizer.run(np.asarray(photo)[None])[0]
    assert np.abs(output - expected).mean() < 1


def test_enough_styles_ship_and_little_else() -> None:
    widths = [read_card(path)["network"]["width"] for path in shipped_styles().values()]
    assert widths.count(32) >= 6 and min(widths) <= 8
    assert sum(path.stat().st_size for path in STYLES.iterdir()) < 60e6
