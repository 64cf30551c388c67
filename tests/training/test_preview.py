import os
import signal
import threading
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from fststyle.config import StyleTrainConfig
from fststyle.images.io import read_image, to_uint8, write_image
from fststyle.losses.build import build_objective
from fststyle.losses.perceptual import StyleObjective
from fststyle.networks.calibration import calibration_images
from fststyle.training.preview import Fitting
from tests.conftest import run_here


def test_pictures_come_to_the_content_error_that_is_asked_for(tmp_path: Path) -> None:
    content, other = calibration_images(2, 96).split(1)
    painting = tmp_path / "painting.png"
    write_image(Image.fromarray(to_uint8(other[0].permute(1, 2, 0).numpy())), painting)
    asked = StyleTrainConfig(
        style=painting, content="photos", name="x", method="plain", loss_network="small"
    )
    objective, _ = build_objective(asked, None, None, torch.device("cpu"), torch.float32)
    styles = []
    fitting = Fitting(content, "fp32")
    for wanted in (0.5, 0.8):
        for step in range(80):
            fitting.step(objective, wanted, 1 - step / 80)
        terms = objective(fitting.pictures(), content)
        assert objective.content_error(terms).item() == pytest.approx(wanted, rel=0.15)
        styles.append(terms["style"].item())
    assert styles[1] < styles[0]


def test_a_preview_is_a_row_for_every_size_and_a_column_for_every_error(
    photos: Path, painting: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--style", painting, "--content", photos, "--output", tmp_path / "sheet.png"]
    options += ["--content-error", 0.5, 0.9, "--style-size", 48, 64, 80, "--image-size", 64]
    options += ["--photos", 2, "--minutes", 0.001, "--device", "cpu"]
    status, error = run_here(capsys, "preview", *options)
    assert status == 0, error
    assert read_image(tmp_path / "sheet.png").size == (8 + 2 * (128 + 8), 8 + 4 * (64 + 22 + 8))
    status, error = run_here(capsys, "preview", *options)
    assert status == 2 and "--overwrite" in error


def test_a_preview_that_is_stopped_shows_what_is_done(
    photos: Path, painting: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--style", painting, "--content", photos, "--output", tmp_path / "sheet.png"]
    options += ["--image-size", 64, "--minutes", 10, "--device", "cpu"]
    threading.Timer(5.0, os.kill, (os.getpid(), signal.SIGINT)).start()
    assert run_here(capsys, "preview", *options)[0] == 130
    assert read_image(tmp_path / "sheet.png").height == 8 + (64 + 22 + 8)


def test_a_plain_photo_is_passed_over(
    painting: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").mkdir()
    write_image(Image.new("RGB", (80, 80), "white"), tmp_path / "photos" / "plain.png")
    write_image(Image.open(painting).convert("RGB"), tmp_path / "photos" / "some.png")
    options = ["--style", painting, "--content", tmp_path / "photos", "--image-size", 64]
    options += ["--content-error", 0.5, "--style-size", 64, "--photos", 2, "--minutes", 0.001]
    options += ["--device", "cpu", "--output", tmp_path / "sheet.png"]
    status, error = run_here(capsys, "preview", *options)
    assert status == 0, error
    with Image.open(painting) as shown:
        width = round(shown.width * 64 / shown.height)
    assert read_image(tmp_path / "sheet.png").width == 8 + (64 + 8) + (width + 8), "one photo"


def test_a_gradient_that_is_not_finite_changes_nothing() -> None:
    content = torch.rand(1, 3, 32, 32)
    fitting = Fitting(content, "fp32")
    before = [p.clone() for p in fitting.network.parameters()]

    class Broken(StyleObjective):
        def __init__(self) -> None:
            self.weights, self.content_layers = {"content": 1.0}, ("relu4_3",)

        def __call__(self, output: Tensor, content: Tensor, *_: object, **__: object):  # type: ignore[no-untyped-def, override]
            return {"content": output.mean() * torch.inf}

    fitting.step(Broken(), 0.5, 1.0)
    assert all(torch.equal(a, b) for a, b in zip(before, fitting.network.parameters(), strict=True))
