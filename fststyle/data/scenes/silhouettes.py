"""Outlines of people, trees and things."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from fststyle.data.scenes.textures import Texture, mirror, noise

_Box = tuple[float, float, float, float]


def cut_out(image: Image.Image, mask: Image.Image) -> Texture:
    """``image`` where ``mask`` (L, of the same size) is white."""
    image = image.convert("RGB")
    image.putalpha(mask)
    return Texture(image)


Shape = Callable[[ImageDraw.ImageDraw, int, np.random.Generator], None]


def _scaled(side: int, *box: float) -> _Box:
    left, top, right, bottom = (value * side for value in box)
    return left, top, max(right, left + 1), max(bottom, top + 1)


def _person(draw: ImageDraw.ImageDraw, side: int, random: np.random.Generator) -> None:
    stride, arm = random.uniform(0.02, 0.2), random.uniform(0.02, 0.2)
    draw.ellipse(_scaled(side, 0.36, 0.0, 0.64, 0.16), 255)
    draw.rounded_rectangle(_scaled(side, 0.2, 0.15, 0.8, 0.55), 0.12 * side, 255)
    for sign in (-1, 1):
        hip, foot = 0.5 + 0.13 * sign, 0.5 + (0.13 + stride) * sign
        draw.line(_scaled_line(side, hip, 0.5, foot, 0.99), 255, round(0.2 * side))
        shoulder, hand = 0.5 + 0.24 * sign, 0.5 + (0.26 + arm) * sign
        draw.line(_scaled_line(side, shoulder, 0.2, hand, 0.55), 255, round(0.12 * side))


def _scaled_line(side: int, *ends: float) -> _Box:
    x0, y0, x1, y1 = (value * side for value in ends)
    return x0, y0, x1, y1


def _animal(draw: ImageDraw.ImageDraw, side: int, random: np.random.Generator) -> None:
    back = random.uniform(0.15, 0.35)
    draw.ellipse(_scaled(side, 0.12, back, 0.85, 0.72), 255)
    for x in (0.2, 0.32, 0.65, 0.77):
        lean = random.uniform(-0.05, 0.05)
        draw.line(_scaled_line(side, x, 0.55, x + lean, 0.99), 255, round(0.08 * side))
    draw.line(_scaled_line(side, 0.75, 0.45, 0.87, 0.18), 255, round(0.16 * side))
    draw.ellipse(_scaled(side, 0.74, 0.02, 1.0, 0.3), 255)
    draw.line(_scaled_line(side, 0.15, 0.4, 0.02, random.uniform(0.2, 0.7)), 255, 5)


def _tree(draw: ImageDraw.ImageDraw, side: int, random: np.random.Generator) -> None:
    crown, trunk = random.uniform(0.5, 0.85), random.uniform(0.03, 0.07)
    draw.rectangle(_scaled(side, 0.5 - trunk, 0.3, 0.5 + trunk, 1.0), 255)
    for _ in range(int(random.integers(4, 14))):
        x, y = random.uniform(0.25, 0.75), random.uniform(0.18, crown - 0.12)
        r = random.uniform(0.1, 0.24)
        draw.ellipse(_scaled(side, x - r, y - r * 0.8, x + r, y + r * 0.8), 255)


def _conifer(draw: ImageDraw.ImageDraw, side: int, random: np.random.Generator) -> None:
    draw.polygon([(0.5 * side, 0), (0.95 * side, 0.9 * side), (0.05 * side, 0.9 * side)], 255)
    draw.rectangle(_scaled(side, 0.45, 0.85, 0.55, 1.0), 255)


def _bush(draw: ImageDraw.ImageDraw, side: int, random: np.random.Generator) -> None:
    draw.ellipse(_scaled(side, 0.05, 0.1, 0.95, 1.6), 255)


def _ellipse(draw: ImageDraw.ImageDraw, side: int, random: np.random.Generator) -> None:
    draw.ellipse(_scaled(side, 0, 0, 1, 1), 255)


def _slab(draw: ImageDraw.ImageDraw, side: int, random: np.random.Generator) -> None:
    draw.rounded_rectangle(_scaled(side, 0.01, 0.01, 0.99, 1), random.uniform(0, 0.4) * side, 255)


def _heap(draw: ImageDraw.ImageDraw, side: int, random: np.random.Generator) -> None:
    for _ in range(int(random.integers(2, 7))):
        x, r = random.uniform(0.2, 0.8), random.uniform(0.12, 0.2)
        top = random.uniform(0.02, 0.6)
        draw.ellipse(_scaled(side, x - r, top, x + r, 1.1), 255)


SHAPES: dict[str, tuple[Shape, float, float, float, float, float]] = {
    # name: draw, aspect from, to, metres high from, to, roughness
    "person": (_person, 0.3, 0.5, 1.1, 1.9, 0.15),
    "animal": (_animal, 1.1, 1.7, 0.3, 2.2, 0.2),
    "tree": (_tree, 0.5, 1.1, 3.0, 15.0, 0.6),
    "conifer": (_conifer, 0.25, 0.6, 3.0, 15.0, 0.6),
    "bush": (_bush, 0.8, 2.5, 0.4, 2.5, 0.7),
    "ellipse": (_ellipse, 0.5, 1.6, 0.3, 2.0, 0.1),
    "slab": (_slab, 0.2, 2.0, 0.4, 4.0, 0.02),
    "post": (_slab, 0.04, 0.12, 1.0, 8.0, 0.0),
    "heap": (_heap, 0.6, 1.8, 0.3, 3.0, 0.4),
}
"""Silhouettes of upright things; each stands on its picture's lower edge."""


def silhouette(name: str, random: np.random.Generator, side: int = 128) -> Image.Image:
    """One of ``SHAPES`` with a wavering outline: an L picture of ``side``², which it fills."""
    draw_shape, *_, rough = SHAPES[name]
    mask = Image.new("L", (side, side))
    draw_shape(ImageDraw.Draw(mask), side, random)
    if rough:
        soft = mask.filter(ImageFilter.BoxBlur(side * 0.02))
        values = np.asarray(soft, np.float32) / 255
        values = values + rough * 0.5 * noise(random, side, side, random.uniform(4, 20), 2)
        values = np.clip((values - 0.5) * 6 + 0.5, 0, 1) * (np.asarray(mask.filter(_OUTLINE)) > 0)
        mask = Image.fromarray((values * 255).astype(np.uint8))
    return mask if random.random() < 0.5 else mirror(mask)


_OUTLINE = ImageFilter.BoxBlur(4)
