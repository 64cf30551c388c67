"""What browsers are given computes what the program computes."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from fststyle.page.networks import (
    CHECKED_SIZE,
    browser_style,
    checked_map,
    checked_picture,
)
from fststyle.sessions.session import start
from fststyle.utils.pretrained import shipped_styles
from tests.conftest import picture

STARRY = shipped_styles()["starry_night_live"]


@pytest.mark.parametrize("size", [(64, 48), (51, 37), (16, 19)])
@pytest.mark.parametrize("kind", ["shipped", "mapped"])
def test_pictures_are_those_of_the_file(kind: str, size: tuple[int, int], mapped: Path) -> None:
    file = STARRY if kind == "shipped" else mapped
    frames = np.asarray(picture(1, *size))[None]
    given: dict[str, Any] = {"strength": np.float32(0.8), "keep_colour": np.float32(0.3)}
    feeds = {name: np.asarray(value) for name, value in given.items()}
    feeds["weight_map"] = checked_map()
    ours = start(browser_style(file).network, "cpu").run(None, {"content": frames, **feeds})[0]
    theirs = start(str(file), "cpu").run(None, {"content": frames, **feeds})[0]
    assert ours.shape == theirs.shape == frames.shape
    # The file computes in half precision where this processor can; the page's never does.
    assert np.abs(ours.astype(int) - theirs).max() <= (3 if kind == "shipped" else 1)


def test_no_arithmetic_in_half_precision_and_no_inputs_with_defaults(mapless: Path) -> None:
    style = browser_style(STARRY)
    graph = onnx.load_from_string(style.network).graph
    weights = {tensor.name for tensor in graph.initializer}
    halves = {t.name for t in graph.initializer if t.data_type == onnx.TensorProto.FLOAT16}
    assert halves  # as small as the file that ships
    assert len(style.network) < 1.2 * STARRY.stat().st_size
    for node in graph.node:
        assert not halves.intersection(node.input) or node.op_type == "Cast"
        casts = [a.i for a in node.attribute if node.op_type == "Cast"]
        assert onnx.TensorProto.FLOAT16 not in casts
    assert not weights.intersection(given.name for given in graph.input)
    assert style.controls == ["strength", "keep_colour", "weight_map"]
    assert browser_style(mapless).controls == ["strength", "keep_colour"]


def test_the_check_is_what_the_network_makes(mapped: Path) -> None:
    style = browser_style(mapped)
    session = onnxruntime.InferenceSession(style.network, providers=["CPUExecutionProvider"])
    feeds = {
        "content": checked_picture()[None],
        "strength": np.float32(1),
        "keep_colour": np.float32(0),
        "weight_map": checked_map(),
    }
    (output,) = session.run(None, {name: np.asarray(value) for name, value in feeds.items()})
    expected = np.frombuffer(base64.b64decode(style.expected), np.uint8)
    assert output.shape == (1, *CHECKED_SIZE[::-1], 3)
    np.testing.assert_array_equal(output.ravel(), expected)


def test_paintings_are_named() -> None:
    style = browser_style(STARRY)
    assert (style.title, style.painter, style.year) == (
        "The Starry Night",
        "Vincent van Gogh",
        "1889",
    )


def test_a_style_that_nobody_published_has_its_paintings_file(mapped: Path) -> None:
    assert browser_style(mapped).title == "painting unknown"


def of_one_size(file: Path, static: Path) -> Path:
    """``file`` as ``--static`` makes them."""
    model = onnx.load(file)
    for dim, side in zip(
        model.graph.input[0].type.tensor_type.shape.dim, (1, 48, 64, 3), strict=True
    ):
        dim.dim_value = side
    onnx.save(model, static)
    return static


def test_what_the_page_cannot_run_is_refused(exported: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="takes floats, and the page has bytes: export it with"):
        browser_style(exported())
    with pytest.raises(ValueError, match="is for one size of pictures: export it without --static"):
        browser_style(of_one_size(STARRY, tmp_path / "static.onnx"))
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no network")
    with pytest.raises(ValueError, match=r"broken.onnx: damaged"):
        browser_style(broken)
