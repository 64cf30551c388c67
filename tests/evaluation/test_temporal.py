"""How steady videos are."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fststyle.checkpoints import LOSS, load
from fststyle.config import EvaluateConfig
from fststyle.config.infer import MapControls
from fststyle.evaluation.model_result import ModelResult
from fststyle.evaluation.opening import film_of, is_of_photos_alone, through
from fststyle.evaluation.output_folder import PictureFolder
from fststyle.evaluation.temporal import measure_videos, video_table, warping_error
from fststyle.images.flow import followed
from fststyle.images.io import to_uint8
from fststyle.images.noise import GRAIN, noisy
from fststyle.images.tones import with_tones
from fststyle.losses.perceptual import StyleObjective
from fststyle.utils.failures import Failures
from fststyle.utils.signals import Stop
from fststyle.utils.tensors import as_tensor
from tests.conftest import contrasty, picture, run_here, write_clip


def test_what_moves_along_is_steady_and_what_stays_is_not() -> None:
    wide = np.asarray(picture(0, 90, 60), np.float32) / 255
    before, after = wide[:, 5:85], wide[:, :80]  # all goes 5 pixels to the right
    flow = np.zeros((60, 80, 2), np.float32)
    flow[..., 0] = 5
    valid = followed(flow, -flow)
    assert not valid[:, 75:].any() and valid[:, :75].all()
    assert warping_error(before, after, flow, valid) < 1e-6
    stripes = np.zeros_like(before)
    stripes[:, ::2] = 0.5  # fixed to the picture's grid
    assert warping_error(before + stripes, after + stripes, flow, valid) == pytest.approx(0.5)


def test_a_network_is_given_grain_by_the_map_of_the_picture_itself() -> None:
    network, image = contrasty(mapped=True).eval(), picture(2, 64, 48)
    output = through(network, torch.device("cpu"), MapControls(weight_map="none", far=0.4))
    told: list[np.ndarray] = []

    def grain(pixels: np.ndarray, weight_map: np.ndarray | None) -> np.ndarray:
        assert weight_map is not None and np.array_equal(pixels, np.asarray(image))
        told.append(weight_map)
        return noisy(pixels, GRAIN, weight_map)

    made, plain = (output(Path("a.png"), image, added) for added in (grain, None))
    assert isinstance(made, torch.Tensor) and isinstance(plain, torch.Tensor)
    assert (told[0] == np.float32(0.4)).all() and not torch.equal(made, plain)
    fed = as_tensor(Image.fromarray(noisy(np.asarray(image), GRAIN, told[0])))
    with torch.inference_mode():
        expected = network(fed, torch.from_numpy(told[0])[None, None]).clamp(0, 1)
    pixels, fed_pixels = (to_uint8(x[0].permute(1, 2, 0).numpy()) for x in (expected, fed))
    toned = as_tensor(with_tones(pixels, fed_pixels, told[0]))
    assert (toned - made).abs().max() < 1.01 / 255  # which is not rounded
    assert (toned - expected).abs().max() > 5 / 255


def test_frames_are_not_compared_across_a_cut(tmp_path: Path) -> None:
    scenes = [np.asarray(picture(seed, 96, 96)) for seed in (3, 4)]
    shown = [scenes[i // 3] for i in range(6)]
    clip = tmp_path / "cut.mp4"
    write_clip(clip, [40 * i for i in range(6)], size=(96, 96), shown=shown)
    failures = Failures()
    found = measure_videos([], [clip], 64, 5, failures, Stop())["cut"]
    assert (found.frames, found.pairs) == (5, 3) and found.own["root"] < 0.02
    assert found.own["mean_square"] < 4e-4 and not failures.reasons
    assert measure_videos([], [clip], 64, 1, failures, Stop()) == {}
    (reason,) = failures.reasons.values()
    assert "cut.mp4: no two successive frames of one scene in 1" in reason


def test_what_cannot_be_measured_is_said_before_anything_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip, network = tmp_path / "clip.mp4", tmp_path / "none.safetensors"
    write_clip(clip, [0, 40])
    for arguments, message in (
        ((network, "--videos", tmp_path / "none.mp4"), "none.mp4: no such file"),
        ((network, "--videos", tmp_path), "no picture in it or below it"),
        ((clip, "--videos", clip), "clip.mp4 does not say what it was trained on: add --style"),
        ((clip, "--videos", clip, "--photos", tmp_path), "no picture in it"),
        (
            (network, "--photos", tmp_path, "--steady", 0.5),
            "--steady is about videos: add --videos",
        ),
    ):
        status, error = run_here(capsys, "evaluate", *arguments)
        assert status == 2 and message in error and error.count("\n") == 1


def test_corrupt_frames_are_told(tmp_path: Path) -> None:
    clip = tmp_path / "damaged.mp4"
    shown = [
        np.random.default_rng(i // 9).integers(0, 256, (96, 96, 3), np.uint8) for i in range(18)
    ]
    write_clip(clip, [40 * i for i in range(18)], size=(96, 96), shown=shown)
    data = bytearray(clip.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4000] = bytes(4000)
    clip.write_bytes(data)
    failures = Failures()
    assert measure_videos([], [clip], 64, 25, failures, Stop()).keys() == {"damaged"}
    assert "damaged.mp4: " in failures.reasons[str(clip)]


def test_networks_and_films_of_others_side_by_side(deep_vgg: Path, tmp_path: Path) -> None:
    painting = picture(9, 80, 60)
    extractor = load(deep_vgg, LOSS).network
    objective = StyleObjective(
        extractor, [as_tensor(painting)], ("relu2_2",), ("relu1_2",), {"style": 1.0}
    )
    clip, short = tmp_path / "clip.mp4", tmp_path / "short.mp4"
    frames = [np.asarray(picture(1, 96, 96)) for _ in range(12)]
    write_clip(clip, [40 * i for i in range(12)], size=(96, 96), shown=frames)
    dimmed = [frame if i % 2 else frame // 2 for i, frame in enumerate(frames)]
    write_clip(short, [40 * i for i in range(6)], size=(96, 96), shown=dimmed[:6])
    folder = tmp_path / "clip"
    folder.mkdir()
    for number, frame in enumerate(dimmed):
        Image.fromarray(frame).resize((192, 192)).save(folder / f"{number}.png")

    def result(name: str, film: Path | None = None) -> ModelResult:
        return ModelResult(
            *(
                name,
                "–",
                lambda _, image, grain: as_tensor(image),
                objective,
                "p",
                (painting_file,),
            ),
            film=None if film is None else lambda _: film,
        )

    painting_file = tmp_path / "p.png"
    failures = Failures()
    results = [
        result("network"),
        result("frames", folder),
        result("short", short),
        result("none", tmp_path / "none.mp4"),
    ]
    found = measure_videos(results, [clip], 64, 12, failures, Stop())
    networks = found["clip"].networks
    assert list(networks) == ["network", "frames", "short"]
    assert networks["network"]["root"] < 0.02 and max(networks["network"]["moves"].values()) < 0.01
    # Every second frame is half as bright: neighbours differ, and those ten frames apart do not.
    dimmer = float(np.sqrt(np.square(frames[0] / 510).mean()))
    assert networks["frames"]["root"] == pytest.approx(dimmer, rel=0.05)
    assert networks["frames"]["mean_square"] == pytest.approx(dimmer**2, rel=0.1)
    assert networks["frames"]["root_10_apart"] < 0.02 and networks["frames"]["moves"] == {}
    assert networks["short"]["root_10_apart"] is None
    assert failures.reasons[f"short on {clip}"].endswith(": ends after 6 frame(s)")
    assert "none.mp4: no such file" in failures.reasons[f"none on {clip}"]
    lines = video_table(results, found).splitlines()
    assert lines[2].startswith("| the clip itself |  | 0.0")
    assert (
        lines[6].startswith("| none | p | – | – |") and lines[-1] == "| none | – | – | – | – | – |"
    )
    steadied = measure_videos(results[:1], [clip], 64, 12, failures, Stop(), steady=0.9)
    assert steadied["clip"].networks["network"]["root"] < networks["network"]["root"]


def test_where_films_of_clips_lie(tmp_path: Path) -> None:
    clips = [tmp_path / "clips" / name for name in ("a.mp4", "b.mp4")]
    films = tmp_path / "films"
    for folder in (films, films / "b"):
        folder.mkdir()
    write_clip(films / "a.mov", [0, 40])
    picture(1).save(films / "b" / "1.png")
    config = EvaluateConfig(networks=[films], videos=clips)
    assert film_of(films, config)(clips[0]) == films / "a.mov"
    assert film_of(films, config)(clips[1]) == films / "b"
    assert film_of(films / "a.mov", config)(clips[0]) == films / "a.mov"
    with pytest.raises(FileNotFoundError, match="no film or folder of frames named as b.mp4"):
        film_of(films / "a.mov", config)(clips[1])
    alone = EvaluateConfig(networks=[films], videos=clips[1:])
    assert film_of(films / "a.mov", alone)(clips[1]) == films / "a.mov"
    assert film_of(films / "b", alone)(clips[1]) == films / "b"


@pytest.mark.parametrize("name, alone", [("pictures", True), ("films", False), ("", False)])
def test_pictures_of_photos_are_no_frames(
    name: str, alone: bool, deep_vgg: Path, tmp_path: Path
) -> None:
    """Where photos and videos are measured at once, a folder of loose pictures is of the photos."""
    (tmp_path / "pictures").mkdir()
    (tmp_path / "films").mkdir()
    picture(1).save(tmp_path / "pictures" / "1.png")
    write_clip(tmp_path / "films" / "a.mp4", [0, 40])
    config = EvaluateConfig(networks=[tmp_path], photos=tmp_path, videos=[tmp_path / "a.mp4"])
    extractor = load(deep_vgg, LOSS).network
    objective = StyleObjective(
        extractor, [as_tensor(picture(9))], ("relu2_2",), ("relu1_2",), {"style": 1.0}
    )
    folder = PictureFolder(tmp_path / name) if name else None
    film = film_of(tmp_path / name, config) if name else None
    result = ModelResult(
        *("n", "–", lambda _, image, grain: image, objective, "p", ()), folder=folder, film=film
    )
    assert is_of_photos_alone(result, config.videos, config) is alone
    of_videos = EvaluateConfig(networks=[tmp_path], videos=config.videos)
    assert not is_of_photos_alone(result, config.videos, of_videos)
