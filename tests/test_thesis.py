"""``--preset thesis`` computes what the thesis computes: its formulas, written out once more."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from fststyle.checkpoints import DEPTH, load
from fststyle.checkpoints.depth import save_depth
from fststyle.checkpoints.style import save_transform
from fststyle.config import DepthTrainConfig, OptimizeConfig, StyleTrainConfig, from_options
from fststyle.data.depth.crops import DepthCrops, crop
from fststyle.data.depth.datasets import open_depth
from fststyle.data.depth.maps import DepthPicture
from fststyle.networks.hourglass import HourglassDepth
from fststyle.networks.transform import TransformNet
from fststyle.optimization.image_optimizer import ImageOptimizer
from tests.conftest import ROOT, picture, run_here

HOURGLASS = ROOT / "checkpoints/depth/hourglass.safetensors"
MEAN, STD = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
CONVS = {0: "1_1", 2: "1_2", 5: "2_1", 7: "2_2", 10: "3_1", 12: "3_2", 14: "3_3", 16: "3_4"}
CONVS |= {19: "4_1", 21: "4_2", 23: "4_3"}
"""torchvision's places of the convolutions to relu4_3; at 4, 9 and 18 it pools."""


def features(vgg: dict[str, Tensor], image: Tensor) -> dict[str, Tensor]:
    x = (image - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    found = {}
    for at in range(24):
        if at in CONVS:
            weight, bias = (vgg[f"features.{at}.{part}"] for part in ("weight", "bias"))
            x = F.conv2d(x[None], weight, bias, padding=1)[0].relu()
            found[CONVS[at]] = x
        elif at in (4, 9, 18):
            x = F.max_pool2d(x[None], 2)[0]
    return found


def gram(a: Tensor) -> Tensor:
    channels, height, width = a.shape
    return torch.einsum("ixy,jxy->ij", a, a) / (height * width * channels)


def window_means(alpha: np.ndarray) -> np.ndarray:
    """Of 3×3 windows, of what lies inside."""
    height, width = alpha.shape
    found = np.empty_like(alpha)
    for y in range(height):
        for x in range(width):
            found[y, x] = alpha[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2].mean()
    return found


def thesis_loss(
    vgg: dict[str, Tensor],
    network: torch.nn.Module,
    output: Tensor,
    content: Tensor,
    painting: Tensor,
    alpha: np.ndarray | None = None,
) -> dict[str, float]:
    """The thesis's sections 3.3, 3.5, 4.1 and 5.3 for 3×H×W images, with α_min = 1, α_max = 5,
    β = 1000 and γ = 20; α, H/2×W/2, from the content's depth where it is not given."""
    x, y, s = (F.avg_pool2d(image[None], 2)[0] for image in (output, content, painting))
    with torch.no_grad():
        depth_x, depth_y = (network(image[None])[0, 0].double() for image in (x, y))
    t = ((depth_y - depth_y.min()) / (depth_y.max() - depth_y.min())).numpy()
    if alpha is None:
        alpha = 5 ** (1 - t) * 1**t
    alpha = window_means(window_means(alpha))
    height, width = (side // 2 for side in alpha.shape)
    alpha = alpha[: 2 * height, : 2 * width].reshape(height, 2, width, 2).mean((1, 3))
    alpha = window_means(window_means(alpha))
    f, p, painted = (features(vgg, image) for image in (x, y, s))
    difference = (f["2_2"] - p["2_2"]).double().numpy()
    terms = {
        "content": float((alpha * difference**2).sum() / difference.size),
        "style": sum(
            float((gram(f[name]) - gram(painted[name])).square().sum())
            for name in ("1_2", "2_2", "3_3", "4_3")
        ),
        "depth": float((depth_x - depth_y).square().sum() / depth_x.numel()),
    }
    return {**terms, "loss": terms["content"] + 1000 * terms["style"] + 20 * terms["depth"]}


@pytest.fixture
def vgg(deep_vgg: Path) -> dict[str, Tensor]:
    return load_file(deep_vgg)


def tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255


@pytest.mark.parametrize("size", [(96, 80), (93, 75)])
def test_a_picture_is_optimized_by_the_thesis_objective(
    vgg: dict[str, Tensor], deep_vgg: Path, painting: Path, tmp_path: Path, size: tuple[int, int]
) -> None:
    photo = picture(1, *size)
    photo.save(tmp_path / "photo.png")
    config = from_options(
        OptimizeConfig,
        {
            "inputs": (str(tmp_path / "photo.png"),),
            "style": (painting,),
            "preset": "thesis",
            "vgg_weights": deep_vgg,
            "device": "cpu",
            "style_size": (80,),
        },
    )
    made = ImageOptimizer(config)
    weight_map = made._weight_map(tmp_path / "photo.png", photo)
    work = made._begin(tmp_path / "photo.png", photo, 640, weight_map, None)
    output = tensor(picture(2, *size))
    with torch.no_grad():
        loss, terms = work.descent.loss_fn(output[None])
    network = load(HOURGLASS, DEPTH).network
    with Image.open(painting) as image:
        expected = thesis_loss(vgg, network, output, tensor(photo), tensor(image))
    found = {name: term.item() for name, term in terms.items()} | {"loss": loss.item()}
    assert found == pytest.approx(expected, rel=1e-3)
    assert all(value > 1e-6 for value in expected.values())


def test_a_network_is_trained_by_the_thesis_objective(
    vgg: dict[str, Tensor],
    deep_vgg: Path,
    painting: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of both images of the batch, whole, at the first step, with the weights of their photos."""
    from fststyle.training.style_task import StyleTask

    seen: list[Any] = []
    original = StyleTask.loss

    def loss(task: Any, network: Any, images: Tensor, targets: Any, step: int) -> Any:
        total, terms = original(task, network, images, targets, step)
        with torch.no_grad():
            seen.append((network(images), images, targets, total, terms))
        return total, terms

    monkeypatch.setattr(StyleTask, "loss", loss)
    torch.manual_seed(0)
    save_transform(tmp_path / "begin.safetensors", TransformNet(4), {})
    content = tmp_path / "content"
    content.mkdir()
    for seed in range(2):
        picture(seed, 96, 80).save(content / f"{seed}.png")
    status, error = run_here(
        *(capsys, "train", "--preset", "thesis", "--style", painting, "--content", content),
        *("--name", "tiny", "--run-dir", tmp_path / "run", "--vgg-weights", deep_vgg),
        *("--image-size", "80x96", "--style-size", 80, "--width", 4, "--steps", 1),
        *("--batch-size", 2, "--workers", 0, "--device", "cpu", "--depth-cache", "off"),
        *("--init", tmp_path / "begin.safetensors"),
    )
    assert status == 0, error
    outputs, images, maps, total, terms = seen[0]
    alphas = F.avg_pool2d(5**maps, 2)[:, 0].double().numpy()  # α_max^s · 1^(1−s), pooled
    network = load(HOURGLASS, DEPTH).network
    with Image.open(painting) as image:
        each = [
            thesis_loss(vgg, network, output, content, tensor(image), alpha)
            for output, content, alpha in zip(outputs, images, alphas, strict=True)
        ]
    expected = {name: (each[0][name] + each[1][name]) / 2 for name in each[0]}
    found = {name: term.item() for name, term in terms.items()} | {"loss": total.item()}
    assert found == pytest.approx(expected, rel=1e-3)
    assert alphas.max() > 2 * alphas.min()


def test_the_presets_constants_are_the_thesis() -> None:
    needed = {"style": [Path("a.jpg")], "preset": "thesis"}
    train = from_options(StyleTrainConfig, {**needed, "content": Path("photos"), "name": "x"})
    optimize = from_options(OptimizeConfig, {**needed, "inputs": ["photo.jpg"]})
    assert train.crop_size == (512, 640) and optimize.size == (640,)
    for config in (train, optimize):
        assert config.depth_network == "hourglass" and config.method == "combined"
        assert config.content_layers == ("relu2_2",)
        assert config.style_layers == ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
        assert config.precision == "fp32" and config.tv_weight == 0
    torch.testing.assert_close(
        load("hourglass", DEPTH).network.state_dict(), load(HOURGLASS, DEPTH).network.state_dict()
    )
    tuned = from_options(DepthTrainConfig, {"name": "x", "data": ["kitti=k"], "preset": "thesis"})
    assert (tuned.network, tuned.size, tuned.near_pairs) == ("hourglass", "224x288", 1)
    assert (tuned.distance, tuned.min_gap, tuned.equal_gap) == (40, 0.01, 0)


def test_depth_is_tuned_on_crops_of_one_shape_as_they_are(tmp_path: Path) -> None:
    for kind in ("image", "depth"):
        (tmp_path / kind).mkdir()
    wide = picture(3, 160, 64)
    wide.save(tmp_path / "image" / "a.png")
    wide.convert("L").save(tmp_path / "depth" / "a.png")
    data = open_depth(f"a={tmp_path}")
    samples = DepthCrops([data], [1], (64, 80), 2, 0, one_shape=True, augment=False)
    shown = np.asarray(wide)
    for first in range(0, 12, 2):
        batch = samples[[first, first + 1]]
        assert batch.images.shape == (2, 3, 64, 80)
        for image in batch.images.permute(0, 2, 3, 1).numpy().astype(int):
            # Of the picture's whole height, somewhere, between two pixels at most.
            nearest = min(np.abs(image - shown[:, at : at + 80]).mean() for at in range(81))
            assert nearest < 3
    lefts = {
        crop(DepthPicture(wide, np.ones((64, 160), np.float32)), (64, 80), random, augment=False)[
            0
        ].tobytes()
        for random in map(np.random.default_rng, range(4))
    }
    assert len(lefts) > 1


def test_a_tuned_network_keeps_the_scale_of_its_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What γ = 20 means depends on it."""
    data = tmp_path / "data"
    for kind in ("image", "depth"):
        (data / kind).mkdir(parents=True)
    picture(3, 96, 64).save(data / "image" / "a.png")
    picture(3, 96, 64).convert("L").save(data / "depth" / "a.png")
    network = HourglassDepth()
    with torch.no_grad():
        network.out.weight.mul_(7)
    save_depth(tmp_path / "init.safetensors", network, {})
    for preset, kept in ((("--preset", "thesis"), True), ((), False)):
        run = tmp_path / f"run{len(preset)}"
        status, error = run_here(
            *(capsys, "depth", "train", *preset, "--network", "hourglass", "--data", f"a={data}"),
            *("--init", tmp_path / "init.safetensors", "--name", "tuned", "--run-dir", run),
            *("--steps", 1, "--lr", 1e-9, "--weight-decay", 0, "--batch-size", 1, "--workers", 0),
            *("--size", "32x48", "--pairs", 10, "--device", "cpu"),
        )
        assert status == 0, error
        tuned = load(run / "tuned.safetensors", DEPTH).network
        same = torch.allclose(tuned.get_parameter("out.weight"), network.out.weight, atol=1e-6)
        assert same is kept
