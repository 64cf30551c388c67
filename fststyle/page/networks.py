"""Networks as browsers run them, and what they must make of a small picture there."""

import base64
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
from PIL import Image

from fststyle.inference.styles import painting_name
from fststyle.page.kernels import Kernels, kernels_of
from fststyle.page.scene import draw_scene
from fststyle.sessions.model_file import MAP, read_model
from fststyle.sessions.precision import as_float32, halve_weights
from fststyle.sessions.session import open_session, start

CHECKED_SIZE = (48, 32)
"""(width, height) of the picture by which the page knows an engine that computes wrongly."""
SWATCH_SIZE = (192, 120)
"""(width, height) of the picture by which a style is chosen."""


class BrowserStyle(NamedTuple):
    """A style for the page.

    Attributes:
        network: the ONNX file.
        kernels: the same for the page's own kernels; None where they cannot compute it.
        controls: names of its inputs beside the picture, all of which have to be given.
        expected: base64 of what it makes of ``checked_picture``, H×W×3 bytes; those that take a map
            of that with ``checked_map``.
        swatch: the scene in this style.
        title, painter, year: of the painting; of a style that nobody published, its name alone.
    """

    network: bytes
    kernels: Kernels | None
    controls: list[str]
    expected: str
    swatch: Image.Image
    title: str
    painter: str
    year: str


def browser_style(file: Path) -> BrowserStyle:
    """A style out of an ONNX file of ``fststyle export --uint8``.

    Raises FileNotFoundError, or ValueError where it is none, or one for pictures of one size.
    """
    opened = open_session(file, "cpu", None, output="output", holds="style network")
    if not opened.uint8:
        raise ValueError(f"{file} takes floats, and the page has bytes: export it with --uint8")
    if isinstance(opened.session.get_inputs()[0].shape[1], int):
        raise ValueError(f"{file} is for one size of pictures: export it without --static")
    model = read_model(file).model
    if opened.card.get("precision") == "fp16":
        as_float32(model)
        halve_weights(model)
    kernels = kernels_of(model)
    controls = require_inputs(model)
    network = model.SerializeToString()
    session = start(network, "cpu")

    def run(picture: np.ndarray, weight_map: np.ndarray) -> np.ndarray:
        given = {"strength": np.float32(1), "keep_colour": np.float32(0), MAP: weight_map}
        feeds = {"content": picture[None]} | {name: np.asarray(given[name]) for name in controls}
        output: np.ndarray = session.run(None, feeds)[0][0]
        return output

    painting = opened.card.get("painting", {"title": painting_name(opened.card)})
    return BrowserStyle(
        network,
        kernels,
        controls,
        encoded(run(checked_picture(), checked_map())),
        Image.fromarray(run(draw_scene(SWATCH_SIZE), np.zeros((1, 1, 1, 1), np.float32))),
        painting["title"],
        painting.get("painter", ""),
        painting.get("year", ""),
    )


def require_inputs(model: onnx.ModelProto) -> list[str]:
    """Take the defaults of inputs away, in place, and return the names of those inputs: ONNX
    Runtime Web gives no value to an input that has a default."""
    names = {given.name for given in model.graph.input}
    tensors = list(model.graph.initializer)
    del model.graph.initializer[:]
    model.graph.initializer.extend(tensor for tensor in tensors if tensor.name not in names)
    return [tensor.name for tensor in tensors if tensor.name in names]


def checked_picture() -> np.ndarray:
    """H×W×3 uint8 of ``CHECKED_SIZE``."""
    return draw_scene(CHECKED_SIZE)


def checked_map() -> np.ndarray:
    """1×1×h×w float32 at a quarter of that, from 0 at the left to 1 at the right."""
    width, height = (side // 4 for side in CHECKED_SIZE)
    return np.tile(np.linspace(0, 1, width, dtype=np.float32), (1, 1, height, 1))


def check_description() -> dict[str, Any]:
    """Picture and map of the check, for the page."""
    width, height = CHECKED_SIZE
    return {
        "width": width,
        "height": height,
        "picture": encoded(checked_picture()),
        "map": checked_map()[0, 0].tolist(),
    }


def encoded(values: np.ndarray) -> str:
    """The bytes of an array in base64."""
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()
