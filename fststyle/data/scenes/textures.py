"""Textures cut from photos, and silhouettes: what ``scenes`` clothes its surfaces with."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from fststyle.images.io import read_image

SIDE = 256
"""Pixels a side of a surface's texture."""

READ_AT = (150, 240)
"""Photos are decoded with a shorter side of at least one of these, at random."""


def chance(random: np.random.Generator, probability: float) -> bool:
    return bool(random.random() < probability)


def log_uniform(random: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(random.uniform(np.log(low), np.log(high))))


def mirror(image: Image.Image) -> Image.Image:
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


class Texture:
    """An RGBA picture and its halvings down to a pixel, sampled with an area that may vary.

    Width and height are powers of two. One homography a surface (``cv2.warpPerspective``) has no
    mip-mapping: ground at a grazing angle sparkles (rms error beside 12×12 samples a pixel: 8.8,
    here 3.9), and it could save at most 20 of a scene's 67 ms.
    """

    def __init__(self, image: Image.Image) -> None:
        levels = [image.convert("RGBA")]
        while max(levels[-1].size) > 1:
            levels.append(levels[-1].reduce((min(2, levels[-1].width), min(2, levels[-1].height))))
        self.size = image.size
        self.widths = np.array([level.width for level in levels], np.int32)
        self.heights = np.array([level.height for level in levels], np.int32)
        self.starts = np.cumsum(np.r_[0, self.widths * self.heights])[:-1].astype(np.int32)
        texels = [np.asarray(level).reshape(-1, 4) for level in levels]
        self.texels = np.concatenate(texels).view(np.uint32)[:, 0]

    def sample(self, u: np.ndarray, v: np.ndarray, area: np.ndarray) -> np.ndarray:
        """Colours and alpha, N×4 float32 in [0,1], at ``u`` (rightwards) and ``v`` (upwards).

        1 is the texture's width or height; beyond [0,1] it goes on mirrored. ``area`` is the side
        of what is averaged, in the same unit. Bilinear within a level.
        """
        level = np.log2(np.maximum(area * max(self.size), 1.0)) + 0.5
        level = np.minimum(level.astype(np.int32), len(self.starts) - 1)
        width, height, start = self.widths[level], self.heights[level], self.starts[level]
        x0, x1, wx = _neighbours(_mirror_repeat(u), width)
        y0, y1, wy = _neighbours(1 - _mirror_repeat(v), height)
        y0, y1 = start + y0 * width, start + y1 * width
        top = _lerp(self._at(y0 + x0), self._at(y0 + x1), wx)
        bottom = _lerp(self._at(y1 + x0), self._at(y1 + x1), wx)
        return _lerp(top, bottom, wy) * np.float32(1 / 255)

    def _at(self, index: np.ndarray) -> np.ndarray:
        return self.texels.take(index).view(np.uint8).reshape(-1, 4).astype(np.float32)


def _mirror_repeat(u: np.ndarray) -> np.ndarray:
    return 1 - np.abs(np.mod(u, 2) - 1)


def _neighbours(place: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The two texels of ``count`` beside ``place`` in [0,1], and the second one's weight."""
    position = np.clip(place * count - 0.5, 0, count - 1).astype(np.float32)
    first = position.astype(np.int32)
    return first, np.minimum(first + 1, count - 1), (position - first)[:, None]


def _lerp(a: np.ndarray, b: np.ndarray, weight: np.ndarray) -> np.ndarray:
    b -= a
    b *= weight
    b += a
    return b


class Patches:
    """What one scene takes its textures from: ``count`` photos drawn from ``photos`` at random.

    A photo that cannot be decoded is replaced by another. Raises ValueError where none can be.
    """

    def __init__(self, photos: Sequence[Path], count: int, random: np.random.Generator) -> None:
        self.random = random
        self.photos: list[Image.Image] = []
        for index in random.permutation(len(photos)):
            try:
                at_least = READ_AT[int(random.integers(2))]
                self.photos.append(read_image(photos[index], at_least=at_least))
            except (ValueError, FileNotFoundError):
                continue
            if len(self.photos) == count:
                break
        if not self.photos:
            raise ValueError(f"none of the {len(photos)} photos can be decoded")
        self.coarse = [photo.reduce(8) for photo in self.photos]

    def photo(self) -> Image.Image:
        return self.photos[self.random.integers(len(self.photos))]

    def even(self, top: float = 0.0, bottom: float = 1.0, size: int = SIDE) -> Image.Image:
        """The most even of some square patches that lie between these heights of their photos."""
        candidates = []
        for _ in range(4):
            which = self.random.integers(len(self.photos))
            photo, coarse = self.photos[which], self.coarse[which]
            side = min(photo.width, photo.height * (bottom - top)) * self.random.uniform(0.4, 1)
            left = self.random.uniform(0, photo.width - side)
            above = self.random.uniform(photo.height * top, photo.height * bottom - side)
            box = (left, above, left + side, above + side)
            part = (left / 8, above / 8, (left + side) / 8, (above + side) / 8)
            glance = coarse.resize((4, 4), Image.Resampling.BILINEAR, box=part)
            candidates.append((float(np.asarray(glance, np.float32).std((0, 1)).sum()), photo, box))
        _, photo, box = min(candidates, key=lambda candidate: candidate[0])
        patch = photo.resize((size, size), Image.Resampling.BILINEAR, box=box)
        return mirror(patch) if chance(self.random, 0.5) else patch

    def piece(self, aspect: float, size: tuple[int, int]) -> Image.Image:
        """A piece from about the middle of a photo; ``aspect`` is its width over its height."""
        photo = self.photo()
        height = min(photo.height, photo.width / aspect) * self.random.uniform(0.4, 0.95)
        width = height * aspect
        left = (photo.width - width) * self.random.beta(2, 2)
        top = (photo.height - height) * self.random.beta(2, 2)
        return photo.resize(
            size, Image.Resampling.BILINEAR, box=(left, top, left + width, top + height)
        )


def noise(
    random: np.random.Generator, height: int, width: int, cells: float, octaves: int = 3
) -> np.ndarray:
    """Smooth noise, height×width float32, mean about 0 and most of it in [−1,1].

    The coarsest octave has ``cells`` cells over the width.
    """
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        across = max(2, min(width, round(cells * 2**octave) + 1))
        down = max(2, min(height, round(cells * 2**octave * height / width) + 1))
        coarse = Image.fromarray(random.normal(0, 0.5, (down, across)).astype(np.float32))
        total += np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)) / 2**octave
    return total


def blend_with_mean(patch: Image.Image, strength: float) -> Image.Image:
    """Blended with its mean colour, like a painted wall or sand."""
    mean = patch.resize((1, 1), Image.Resampling.BOX).resize(patch.size)
    return Image.blend(patch, mean, strength)


def draw_pattern(patch: Image.Image, random: np.random.Generator) -> Image.Image:
    """Tiles, planks or bricks drawn over a square patch."""
    patch = patch.copy()
    draw, side = ImageDraw.Draw(patch), patch.width
    mean = np.asarray(patch.resize((1, 1), Image.Resampling.BOX))[0, 0]
    shade = mean * random.uniform(0.3, 1.7) + random.normal(0, 15, 3)
    color = tuple(int(c) for c in np.clip(shade, 0, 255))
    rows, columns = (int(n) for n in random.integers(1, 7, 2))
    line = int(random.integers(1, 5))
    bricks = random.random() < 0.4
    if random.random() < 0.8:
        for row in range(rows + 1):
            draw.line((0, row * side / rows, side, row * side / rows), color, line)
    for row in range(rows):
        shift = 0.5 * (row % 2) if bricks else 0.0
        for column in range(columns + 1):
            x = (column + shift) * side / columns
            draw.line((x, row * side / rows, x, (row + 1) * side / rows), color, line)
    return patch


def draw_windows(patch: Image.Image, random: np.random.Generator) -> Image.Image:
    """A grid of panes, dark or bright, on a wall: one storey and one column of them or more."""
    patch = patch.copy()
    draw, side = ImageDraw.Draw(patch), patch.width
    rows, columns = (int(n) for n in random.integers(2, 6, 2))
    wide, high = random.uniform(0.3, 0.75, 2)
    base = random.uniform(0, 255)
    frame = tuple(int(c) for c in np.clip(random.uniform(0, 255) + random.normal(0, 20, 3), 0, 255))
    for row in range(rows):
        for column in range(columns):
            x, y = (column + 0.5) * side / columns, (row + 0.5) * side / rows
            dx, dy = wide * side / columns / 2, high * side / rows / 2
            pane = np.clip(base + random.normal(0, 25) + np.array([-8, 0, 8]), 0, 255)
            fill = tuple(int(c) for c in pane)
            draw.rectangle((x - dx, y - dy, x + dx, y + dy), fill, frame, 2)
    return patch


def road_texture(half: float, random: np.random.Generator) -> Texture:
    """Lines at the edges of a road ``half`` metres from its middle, dashes along it, or both."""
    pixels = np.zeros((64, 128, 4), np.uint8)
    pixels[..., :3] = np.clip(random.uniform(100, 250) + random.normal(0, 8, 3), 0, 255)
    broad = max(1, round(128 * random.uniform(0.08, 0.4) / (2 * half)))
    kind = random.random()
    if kind < 0.7:
        pixels[:, :broad, 3] = pixels[:, -broad:, 3] = 255
    if kind > 0.4:
        pixels[:32, 64 - broad // 2 : 65 + broad // 2, 3] = 255
    return Texture(Image.fromarray(pixels))


def ridge_texture(patch: Image.Image, random: np.random.Generator, rough: float) -> Texture:
    """A range of hills or a row of trees, 512×128: ``patch`` (128²) below a line of 1-D noise.

    ``rough`` in [0,1]: from smooth hills to ragged treetops.
    """
    octaves = 2 + round(4 * rough)
    line = noise(random, 1, 512, random.uniform(1.5, 6), octaves)[0]
    line += rough * 0.25 * noise(random, 1, 512, 60, 2)[0]
    line = (line - line.min()) / max(float(np.ptp(line)), 1e-3)
    top = 126 * (1 - (0.35 + 0.65 * line))
    alpha = np.clip(np.arange(128)[:, None] - top + 0.5, 0, 1)
    tile = np.asarray(patch)
    color = np.concatenate([tile, tile[:, ::-1], tile, tile[:, ::-1]], 1)
    return Texture(Image.fromarray(np.dstack([color, (alpha * 255).astype(np.uint8)])))


def shade_as_solid(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Shaded from one side to the other and downwards, as light falls on a body."""
    width, height = image.size
    across = np.linspace(-1, 1, width, dtype=np.float32)[None]
    down = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    shade = 1 + random.uniform(-0.3, 0.3) * across - random.uniform(0, 0.25) * down
    pixels = np.asarray(image.convert("RGB"), np.float32) * shade[..., None]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
