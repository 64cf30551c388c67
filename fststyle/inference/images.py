"""One picture through an exported network."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from fststyle.images.noise import add_noise
from fststyle.inference.stylizer import Stylizer
from fststyle.utils.failures import is_about_memory

WHOLE, TILE = 9.0, 1.0
"""Megapixels: up to how many a picture is stylized at once (3.5 GB at width 32), and how many a
tile of a larger one has (1.3 GB)."""


def stylize(
    stylizer: Stylizer,
    image: Image.Image,
    *,
    strength: float = 1.0,
    keep_colour: bool = False,
    grain: int = 0,
    tile: float | None = None,
    folder: Path | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Image.Image:
    """RGB or RGBA to the same, of the same size; transparency and colour profile are kept.

    Args:
        strength, keep_colour: as ``Stylizer`` has them.
        grain: levels of ``add_noise``.
        tile: megapixels done at once, 0 for all; None for ``TILE`` in pictures above ``WHOLE``,
            and where the whole is too much for memory.
        folder: for what tiles leave for later, see ``Tiles``.
        stopped: asked after each tile; where it says so, KeyboardInterrupt is raised.
    """
    (pixels,) = add_noise(np.asarray(image.convert("RGB"))[None], grain)
    mixed = partial(stylizer, strength=strength, keep_colour=keep_colour)
    by_itself = tile is None
    if tile is None:
        tile = TILE if image.width * image.height > WHOLE * 1e6 else 0
    output = None
    if not tile:
        try:
            output = mixed(pixels[None])[0]
        except Exception as error:  # ONNX Runtime has types of its own
            if not (by_itself and is_about_memory(error)):
                raise
    if output is None:
        form = "{desc}: {percentage:3.0f}%|{bar}| [{elapsed}<{remaining}]"
        with tqdm(total=1.0, desc="tiles", leave=False, bar_format=form) as bar:

            def progress(part: float) -> None:
                bar.update(part)
                if stopped():
                    raise KeyboardInterrupt

            output = stylizer.tiled(
                pixels,
                round((tile or TILE) * 1e6),
                strength=strength,
                keep_colour=keep_colour,
                folder=folder,
                progress=progress,
            )
    stylized = Image.fromarray(output)
    if image.mode == "RGBA":
        stylized.putalpha(image.getchannel("A"))
    if "icc_profile" in image.info:
        stylized.info["icc_profile"] = image.info["icc_profile"]
    return stylized
