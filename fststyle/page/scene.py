"""A drawn landscape: what the page shows its styles on, since no photo is the project's to give."""

import numpy as np
from PIL import Image, ImageDraw

_FINE = 4
"""Pixels drawn to one that is kept, each way, so that edges are smooth."""


def draw_scene(size: tuple[int, int]) -> np.ndarray:
    """H×W×3 uint8 of ``size`` (width, height): evening sky with a sun, hills one behind the other,
    a lake, a tree in front."""
    width, height = (side * _FINE for side in size)
    rows = np.linspace(0, 1, height)[:, None]
    sky = np.stack(
        [np.interp(rows, (0, 0.6), ends) for ends in ((52, 246), (92, 190), (160, 128))], -1
    )
    image = Image.fromarray(np.broadcast_to(sky, (height, width, 3)).astype(np.uint8))
    draw = ImageDraw.Draw(image)

    def disc(x: float, y: float, radius: float, color: tuple[int, int, int]) -> None:
        x, y, radius = x * width, y * height, radius * height
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), color)

    disc(0.68, 0.36, 0.1, (255, 236, 178))
    across = np.linspace(0, 1, 97)
    for base, swing, waves, phase, color in (
        (0.52, 0.09, 1.6, 0.4, (126, 124, 158)),
        (0.60, 0.06, 2.3, 2.0, (88, 98, 116)),
        (0.68, 0.04, 1.4, 4.4, (58, 84, 72)),
    ):
        ridge = base + swing * np.sin(2 * np.pi * waves * across + phase)
        hill = [(x * width, y * height) for x, y in zip(across, ridge, strict=True)]
        draw.polygon([*hill, (width, height), (0, height)], color)
    draw.ellipse((0.3 * width, 0.74 * height, 1.1 * width, 0.93 * height), (196, 168, 138))
    draw.rectangle((0, 0.9 * height, width, height), (42, 58, 40))
    draw.polygon(
        [(x * width, y * height) for x, y in ((0.17, 0.98), (0.195, 0.5), (0.22, 0.98))],
        (54, 38, 30),
    )
    for x, y, radius in ((0.13, 0.44, 0.13), (0.25, 0.42, 0.14), (0.19, 0.3, 0.15)):
        disc(x, y, radius, (44, 78, 44))
    return np.asarray(image.resize(size, Image.Resampling.BOX))
