"""The page's formulas beside the program's, on the same numbers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fststyle.config import from_json
from fststyle.config.infer import Grain, MapControls
from fststyle.depth import steady
from fststyle.depth.estimator import DepthEstimator, seen_size
from fststyle.depth.maps import colorize
from fststyle.depth.upsampling import upsample_along_edges, window_mean
from fststyle.images.geometry import size_of_area
from fststyle.images.noise import noisy
from fststyle.images.tones import with_tones
from fststyle.inference.maps import (
    REDUCTION,
    DepthNearness,
    SteadyNearness,
    WeightMaps,
    decided,
    in_focus,
)
from fststyle.page.build import SITE, add_grain
from tests.conftest import picture
from tests.page.looking import Served

# Playwright leaves a pipe to be collected.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
FLOATS = "({values, width, height}) => ({values: Float32Array.from(values), width, height})"
BYTES = "({values, width, height}) => ({values: Uint8Array.from(values), width, height})"


class Modules:
    """Functions of the page's modules, called with numbers."""

    def __init__(self, page: Any) -> None:
        self._page = page

    def __call__(self, body: str, *arguments: Any) -> Any:
        """What JavaScript returns; ``maps`` and so on are the modules, ``a`` the arguments,
        ``floats`` and ``bytes`` make arrays of what ``given`` returns."""
        return self._page.evaluate(
            f"""async (a) => {{
                const maps = await import('./maps.js');
                const resample = await import('./resample.js');
                const size = await import('./size.js');
                const grain = await import('./grain.js');
                const tones = await import('./tones.js');
                const floats = {FLOATS};
                const bytes = {BYTES};
                const plain = (x) => ({{ ...x, values: Array.from(x.values) }});
                {body}
            }}""",
            list(arguments),
        )


@pytest.fixture(scope="module")
def js(chromium: Any) -> Iterator[Modules]:
    served, page = Served(SITE), chromium.new_page()
    page.goto(f"{served.address}icon.svg")  # any address of the modules' own host
    yield Modules(page)
    page.close()
    served.stop()


def given(values: np.ndarray) -> dict[str, Any]:
    height, width = values.shape[:2]
    return {"values": values.ravel().tolist(), "width": width, "height": height}


def taken(found: dict[str, Any]) -> np.ndarray:
    """H×W float32 of what a module returns."""
    return np.array(found["values"], np.float32).reshape(found["height"], found["width"])


def photo(width: int = 150, height: int = 97, seed: int = 3) -> Image.Image:
    """With edges and texture."""
    pixels = np.asarray(picture(seed, width, height)).astype(int)
    pixels[height // 3 :, width // 2 :] //= 2
    pixels += np.random.default_rng(seed).integers(-9, 10, (height, width, 1))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def depth_map(width: int = 48, height: int = 32, seed: int = 0) -> np.ndarray:
    rows = np.linspace(2, -1, height, dtype=np.float32)[:, None]
    noise = np.random.default_rng(seed).normal(0, 0.2, (height, width))
    return (rows + noise).astype(np.float32)


def test_sizes_at_which_depth_is_seen(js: Modules) -> None:
    card = {"settings": {"size": "160x208"}}
    sizes = [(320, 180), (640, 427), (97, 150), (33, 40), (1920, 1080), (500, 1500), (24, 24)]
    found = js("return a[0].map(([w, h]) => maps.seenSize(w, h, 182))", sizes)
    assert size_of_area((320, 180), 182) == seen_size(card, 320, 180)
    assert [(size["width"], size["height"]) for size in found] == [
        seen_size(card, *size) for size in sizes
    ]


def test_bytes_are_resized_as_pillow_does(js: Modules) -> None:
    image = photo(75, 49)
    for name, filter in (("box", 4), ("bilinear", 2), ("bicubic", 3)):
        for size in ((48, 32), (61, 97), (90, 60)):
            found = js(
                "const {values, width, height} = bytes(a[0]);"
                "return Array.from(resample.resize(values, width, height, ...a[1], a[2], 3))",
                given(np.asarray(image)),
                size,
                name,
            )
            ours = np.asarray(image.resize(size, Image.Resampling(filter)))
            off = np.abs(np.array(found).reshape(ours.shape) - ours.astype(int))
            assert off.max() <= 1 and (off > 0).mean() < 0.05, (name, size)


def test_bytes_are_reduced_as_pillow_does(js: Modules) -> None:
    image = photo(149, 98)
    found = js(
        "const {values, width, height} = bytes(a[0]);"
        "return plain(resample.reduce(values, width, height, 4, 3))",
        given(np.asarray(image)),
    )
    ours = np.asarray(image.reduce(4))
    assert (found["width"], found["height"]) == ours.shape[1::-1]
    assert np.abs(np.array(found["values"]) - ours.ravel().astype(int)).max() <= 1
    grey = js("return Array.from(resample.luminance(bytes(a[0]).values))", given(np.asarray(image)))
    np.testing.assert_array_equal(grey, np.asarray(image.convert("L")).ravel())


def test_windows_have_the_same_means(js: Modules) -> None:
    depth = depth_map()
    found = js(
        "const {values, width, height} = floats(a[0]);"
        "return {values: Array.from(maps.windowMean(values, width, height)), width, height}",
        given(depth),
    )
    np.testing.assert_allclose(taken(found), window_mean(depth), atol=1e-5)


def test_depth_comes_to_the_pictures_size_along_its_edges(js: Modules) -> None:
    depth, image = depth_map(), photo()
    found = js(
        "return plain(maps.alongEdges(floats(a[0]), bytes(a[1])))",
        given(depth),
        given(np.asarray(image.convert("L"))),
    )
    np.testing.assert_allclose(taken(found), upsample_along_edges(depth, image), atol=2e-3)


def test_the_range_of_a_film_is_followed(js: Modules) -> None:
    depths = [depth_map(seed=1), depth_map(seed=2) * 2, np.full((32, 48), 0.7, np.float32)]
    found = js(
        "const range = new maps.SteadyRange();"
        "return a.map((x) => plain(range.nearness(floats(x))))",
        *map(given, depths),
    )
    ours = steady.SteadyRange()
    for theirs, depth in zip(found, depths, strict=True):
        np.testing.assert_allclose(taken(theirs), ours(depth), atol=1e-4)
    flat = js("return plain(new maps.SteadyRange().nearness(floats(a[0])))", given(depths[2]))
    np.testing.assert_allclose(taken(flat), steady.SteadyRange()(depths[2]))


@pytest.mark.parametrize("focus", [0.0, 0.4, 1.0])
def test_focus_and_the_smooth_step(js: Modules, focus: float) -> None:
    near = np.linspace(0, 1, 33, dtype=np.float32)
    found = js(
        "return Array.from(maps.inFocus(Float32Array.from(a[0]), a[1]))", near.tolist(), focus
    )
    np.testing.assert_allclose(found, in_focus(near, focus), atol=1e-6)
    found = js("return Array.from(maps.decided(Float32Array.from(a[0])))", near.tolist())
    np.testing.assert_allclose(found, decided(near), atol=1e-6)


def fixed(depth: np.ndarray) -> DepthEstimator:
    """A network that says ``depth`` of everything."""
    return DepthEstimator("fixed", lambda image: depth[None, None], {"settings": {"size": "48x32"}})


@pytest.mark.parametrize("size", [(150, 97), (60, 50)])
@pytest.mark.parametrize(
    "controls", [{}, {"near": 0.7, "far": 0.2}, {"near": 0.0, "far": 1.0, "focus": 0.4}]
)
def test_weight_maps(
    js: Modules,
    size: tuple[int, int],
    controls: dict[str, float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    depth, image = depth_map(), photo(*size)
    monkeypatch.setattr("fststyle.inference.maps.depth_network", lambda *_: fixed(depth))
    ours = WeightMaps(from_json(MapControls, controls))(image)
    found = js(
        "const picture = bytes(a[1]);"
        "const near = maps.sharpNearness(new maps.SteadyRange().nearness(floats(a[0])), picture);"
        "return plain(maps.weightMap(near, picture.width, picture.height, a[2]))",
        given(depth),
        given(np.asarray(image)),
        {"near": 1, "far": 0, "focus": 0, **controls},
    )
    assert (found["width"], found["height"]) == tuple(-(-side // REDUCTION) for side in size)
    np.testing.assert_allclose(taken(found), ours, atol=0.01)


def of_a_film(
    js: Modules,
    monkeypatch: pytest.MonkeyPatch,
    frames: list[Image.Image],
    depths: list[np.ndarray],
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Nearness of each frame (by the program, by the page), with a network that says ``depths``."""
    told: Iterator[np.ndarray] = iter(depths)
    # What the page leaves out: following the motion of the camera.
    monkeypatch.setattr(steady, "camera_shift", lambda before, after: (0, 0))
    estimator = DepthEstimator(
        "told", lambda image: next(told)[None, None], {"settings": {"size": "48x32"}}
    )
    near = SteadyNearness(estimator)
    ours = [near(frame) for frame in frames]
    found = js(
        "const depths = a[1].map(floats);"
        "const depth = new maps.SteadyDepth(async () => depths.shift());"
        "const range = new maps.SteadyRange();"
        "const found = [];"
        "for (const frame of a[0].map(bytes)) {"
        "  const told = await depth.next(frame);"
        "  const near = range.nearness(told, depth.begins);"
        "  found.push(plain(maps.sharpNearness(near, frame)));"
        "}"
        "return found;",
        [given(np.asarray(frame)) for frame in frames],
        [given(depth) for depth in depths],
    )
    return ours, [taken(theirs) for theirs in found]


def test_depth_of_a_film_is_averaged_and_begins_anew_at_a_cut(
    js: Modules, monkeypatch: pytest.MonkeyPatch
) -> None:
    depths = [depth_map(seed=seed) for seed in range(5)]
    still = photo()
    frames = [still, still, photo(seed=3), still, photo(seed=8), photo(seed=8)]
    ours, theirs = of_a_film(js, monkeypatch, frames, depths)
    np.testing.assert_allclose(theirs, ours, atol=0.01)
    assert np.abs(ours[3] - ours[4]).mean() > 0.01  # the cut is one


def test_a_range_begins_anew_at_a_cut_in_a_film(
    js: Modules, monkeypatch: pytest.MonkeyPatch
) -> None:
    depths = [depth_map(seed=1), 4 * depth_map(seed=2) + 2]
    frames = [photo(), photo(), photo(seed=8), photo(seed=8)]
    ours, theirs = of_a_film(js, monkeypatch, frames, depths)
    np.testing.assert_allclose(theirs, ours, atol=0.01)
    alone = DepthNearness(fixed(depths[1]))(frames[-1])
    np.testing.assert_allclose(ours[2:], [alone, alone], atol=0.01)


@pytest.mark.parametrize("moves_at", [1, 3])
def test_what_moves_between_two_looks_at_a_film_is_new_at_the_next(
    js: Modules, monkeypatch: pytest.MonkeyPatch, moves_at: int
) -> None:
    before, after = np.array(photo()), np.array(photo())
    after[30:70, 40:80] += 128  # of 256, so that every pixel changes by as much
    depths = [np.zeros((32, 48), np.float32), np.zeros((32, 48), np.float32)]
    depths[0][:, 30:] = depths[1][:, 30:] = 1  # far
    depths[1][12:20, 16:23] = 1
    frames = [Image.fromarray(before if i < moves_at else after) for i in range(4)]
    ours, theirs = of_a_film(js, monkeypatch, frames, depths)
    np.testing.assert_allclose(theirs, ours, atol=0.01)
    for near in (ours[-1], theirs[-1]):
        assert near[10:15, 13:18].mean() < 0.5 < ours[0][10:15, 13:18].mean()


def test_frames_do_not_wait_for_depth_that_is_told_beside_them(js: Modules) -> None:
    found = js(
        "const told = [];"
        "const estimate = () => new Promise((...ends) => { told.push(ends); });"
        "const depth = new maps.SteadyDepth(estimate, true);"
        "const frame = bytes(a[0]);"
        "const first = depth.next(frame);"
        "told[0][0](floats(a[1]));"
        "const seen = [await first];"
        "for (let i = 0; i < 5; i++) seen.push(await depth.next(frame));"
        "told[1][0](floats(a[2]));"
        "await null;"
        "seen.push(await depth.next(frame));"
        "const asked = told.length;"
        "await depth.next(frame); await depth.next(frame);"
        "told[2][1](new Error('gone'));"
        "await null;"
        "const failure = await depth.next(frame).catch((error) => error.message);"
        "return { means: seen.map(({ values }) => values[0]), asked, failure };",
        given(np.asarray(photo())),
        *(given(np.full((32, 48), depth, np.float32)) for depth in (1, 3)),
    )
    assert found["means"][:6] == [1] * 6 and 1 < found["means"][6] < 3  # averaged
    assert found["asked"] == 2 and found["failure"] == "gone"


def test_colours_of_depth(js: Modules) -> None:
    near = np.linspace(0, 1, 30, dtype=np.float32).reshape(5, 6)
    found = js("return Array.from(maps.colorize(floats(a[0])).data)", given(near))
    colors = np.array(found).reshape(5, 6, 4)
    assert (colors[..., 3] == 255).all()
    assert np.abs(colors[..., :3] - np.asarray(colorize(1 - near)).astype(int)).max() <= 1


def test_pictures_seen_by_the_depth_network(js: Modules) -> None:
    image = photo()
    seen: list[np.ndarray] = []

    def estimate(content: np.ndarray) -> np.ndarray:
        seen.append(content)
        return content[:, :1]

    DepthNearness(DepthEstimator("seen", estimate, {"settings": {"size": "64"}}))(image)
    found = js("return plain(maps.depthInput(bytes(a[0]), 64))", given(np.asarray(image)))
    ours = seen[0]
    assert (found["height"], found["width"]) == ours.shape[2:]
    assert np.abs(np.array(found["values"]) - ours.ravel()).max() <= 1.01 / 255


def test_the_size_holds_the_rate(js: Modules) -> None:
    def level(at: int, times: list[float]) -> Any:
        return js("return size.nextLevel(a[0], a[1], 100)", at, times)

    assert level(3, [90.0] * 5) == 3
    assert level(3, [150.0] * 5) == 2
    assert level(0, [900.0] * 5) == 0
    assert level(3, [20.0] * 5) == 4
    assert level(9, [1.0] * 5) == 9
    assert level(3, [150.0] * 4) == 3  # too few to tell
    assert level(3, [20.0, 20.0, 90.0, 500.0, 90.0, 90.0, 90.0]) == 3  # one slow frame is none


def test_pictures_are_fitted_and_never_enlarged(js: Modules) -> None:
    def fitted(*sizes: int) -> tuple[int, int]:
        found = js("return size.fitted(...a)", *sizes)
        return found["width"], found["height"]

    assert fitted(1920, 1080, 640) == (640, 360)
    assert fitted(301, 203, 640) == (301, 203)
    level = js("return size.atLevel(1280, 720, size.FIRST_LEVEL.cpu)")
    assert level == {"width": 320, "height": 180}
    assert js("return size.atLevel(160, 120, 9)") == {"width": 160, "height": 120}


def test_grain_and_clouds_are_those_of_infer(js: Modules, tmp_path: Path) -> None:
    catalogue = add_grain(tmp_path)
    written = list((tmp_path / catalogue["file"]).read_bytes())
    pixels = np.asarray(photo(301, 267))
    near = np.random.default_rng(2).random((67, 76)).astype(np.float32)
    for strength, keep_colour, weight_map in (
        (1.0, False, np.zeros((1, 1), np.float32)),
        (0.7, True, near),
    ):
        made = js(
            """const made = new grain.Grain(Uint8Array.from(a[0]), a[1]);
            const controls = { strength: a[4], keepColour: a[5] };
            return Array.from(made.added(bytes(a[2]), floats(a[3]), controls));""",
            *(written, catalogue, given(pixels), given(weight_map), strength, keep_colour),
        )
        expected = noisy(pixels, Grain(4, strength, colour=not keep_colour), weight_map)
        assert np.array_equal(np.reshape(made, pixels.shape), expected)


def test_tones_are_those_of_infer(js: Modules) -> None:
    pixels = np.asarray(photo(301, 267))
    made = np.random.default_rng(3).integers(0, 130, pixels.shape).astype(np.uint8)
    ramp = np.linspace(0, 1, 76, dtype=np.float32)[None].repeat(67, 0)
    for strength, weight_map in ((1.0, ramp), (0.4, np.zeros((1, 1), np.float32))):
        found = js(
            """const made = tones.withTones(Uint8Array.from(a[0]), bytes(a[1]), floats(a[2]), a[3]);
            return Array.from(made);""",
            *(made.ravel().tolist(), given(pixels), given(weight_map), strength),
        )
        toned = with_tones(made, pixels, 1 - strength * (1 - weight_map))
        assert np.abs(toned.astype(int) - made).max() > 30
        assert np.abs(np.reshape(found, pixels.shape) - toned.astype(int)).max() <= 1  # rounding
