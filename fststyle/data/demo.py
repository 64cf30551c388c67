"""A painting and photos for a first training, with nothing to download: a sun above hills in
strokes of a brush, the photos that come with scikit-image, and scenes rendered from them."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter
from tqdm import tqdm

from fststyle.data.scenes.scenes import SceneRenderer
from fststyle.images.geometry import fit_within
from fststyle.images.io import read_image, write_image

PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")
"""Of scikit-image's, free of rights or CC0 (its ``data/README.txt`` names their authors)."""
SCENES = 60
SCENE_SIZE = (288, 384)
"""(height, width)"""


def write_demo(folder: Path) -> None:
    """``folder/style.png``, and photos and scenes in ``folder/photos``; what is there stays.

    Raises OSError where the disk refuses.
    """
    import skimage

    source = Path(skimage.__file__).parent / "data"
    photos = [folder / "photos" / f"{Path(name).stem}.png" for name in PHOTOS]
    for name, target in zip(PHOTOS, photos, strict=True):
        if not target.exists():
            write_image(fit_within(read_image(source / name), 640), target)
    renderer = SceneRenderer(photos)
    for number in tqdm(range(SCENES), desc="scenes", unit="scene"):
        target = folder / "photos" / f"scene_{number:02}.png"
        if not target.exists():
            pixels, _ = renderer.render(np.random.default_rng(number), *SCENE_SIZE)
            write_image(Image.fromarray(pixels), target)
    if not (folder / "style.png").exists():
        write_image(oil_painting(), folder / "style.png")
    print(f"{folder}: style.png, a painting, and {len(PHOTOS) + SCENES} pictures in photos")


SKY = np.array([(24, 44, 110), (38, 84, 158), (74, 134, 190), (132, 186, 206)])
GLOW = np.array([(255, 226, 120), (250, 180, 70), (232, 120, 56)])
HILLS = np.array([(30, 62, 66), (44, 104, 84), (110, 140, 62), (176, 168, 74)])
WATER = np.array([(16, 54, 92), (34, 108, 134), (96, 164, 168), (214, 150, 96)])
SUN = (0.66, 0.3)
"""(x, y) in parts of the picture's side."""
STROKES = ((15, 70, 900), (9, 46, 2400), (5, 26, 3200))
"""(width, length, number), widths and lengths in 640ths of the side; the coarse ones lie below."""
FINER = 2
"""The strokes are drawn at so many times the size."""


def oil_painting(size: int = 640, seed: int = 3) -> Image.Image:
    """A sun above hills and water, in some thousand strokes of a brush that follow its light."""
    random = np.random.default_rng(seed)
    colors, angles = _scene(size, random)
    large = Image.fromarray(colors.astype(np.uint8)).resize((FINER * size,) * 2)
    draw = ImageDraw.Draw(large)
    for width, length, count in STROKES:
        for _ in range(count):
            start = random.random(2) * size
            color = _at(colors, start) + random.normal(0, 15, 3) + random.normal(0, 16)
            path = _followed(angles, start, length * size // 2560)
            if len(path) > 2:
                _draw_stroke(draw, path, width * size / 640, color, random)
    return large.resize((size, size), Image.Resampling.LANCZOS)


def _scene(size: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(colours, size×size×3 in levels; directions of strokes, size×size in radians)."""
    y, x = np.mgrid[:size, :size] / size
    coarse, fine = (gaussian_filter(random.normal(size=(size, size)), size / s) for s in (9, 22))
    coarse, fine = coarse / coarse.std(), fine / fine.std()
    is_ground = y > 0.62 + 0.07 * np.sin(6 * x + 1) + 0.03 * np.sin(15 * x)
    is_water = y > 0.8 + 0.02 * np.sin(9 * x + 2)
    away = np.hypot(x - SUN[0], y - SUN[1])
    glow = np.clip(1.6 * np.exp(-((away / 0.2) ** 2)), 0, 1)[..., None]
    colors = _mixed(SKY, 0.25 + 0.7 * y + 0.16 * fine) * (1 - glow)
    colors += _mixed(GLOW, away / 0.26 + 0.1 * fine) * glow
    hills = _mixed(HILLS, 0.6 + 0.28 * fine - 1.5 * (y - 0.62))
    reflected = 0.5 * np.exp(-(((x - SUN[0]) / 0.12) ** 2))
    water = _mixed(WATER, 0.35 + 0.25 * fine + reflected)
    colors = np.where(is_ground[..., None], hills, colors)
    colors = np.where(is_water[..., None], water, colors)
    # Around the sun and in eddies, along the hills, and level on the water.
    down, right = np.gradient(0.02 * coarse + 0.25 * away)
    angles = np.arctan2(-right, down)
    angles = np.where(is_ground, np.arctan(0.42 * np.cos(6 * x + 1)) + 0.25 * coarse, angles)
    return colors, np.where(is_water, 0.06 * fine, angles)


def _mixed(palette: np.ndarray, place: np.ndarray) -> np.ndarray:
    """Colours H×W×3 between those of a palette, 0 being its first and 1 its last."""
    place = np.clip(place, 0, 0.999) * (len(palette) - 1)
    first = place.astype(int)
    part = (place - first)[..., None]
    return np.asarray(palette[first] * (1 - part) + palette[first + 1] * part)


def _at(values: np.ndarray, point: np.ndarray) -> np.ndarray:
    return np.asarray(values[int(point[1]), int(point[0])])


def _followed(angles: np.ndarray, start: np.ndarray, steps: int) -> np.ndarray:
    """Points, K×2 (x, y), some pixels apart along the directions, while they are in the picture."""
    size, path, point = len(angles), [], start
    for _ in range(steps):
        if point.min() < 0 or point.max() >= size:
            break
        path.append(point)
        angle = _at(angles, point)
        point = point + size / 160 * np.array([np.cos(angle), np.sin(angle)])
    return np.array(path)


def _draw_stroke(
    draw: ImageDraw.ImageDraw,
    path: np.ndarray,
    width: float,
    color: np.ndarray,
    random: np.random.Generator,
) -> None:
    """A stroke that tapers, of a line for each bristle; the paint catches light at one side."""
    along = np.gradient(path, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    across = np.stack([-along[:, 1], along[:, 0]], 1)
    taper = width * np.sqrt(np.sin(np.linspace(0.25, np.pi - 0.15, len(path))))
    bristles = max(3, round(width / 2))
    for number, shade in enumerate(random.normal(0, 11, bristles)):
        place = (number + 0.5) / bristles - 0.5
        light = 26 * (0.5 - abs(place + 0.18))
        line = FINER * (path + across * (place * taper)[:, None])
        tone = np.clip(color + shade + light, 0, 255).astype(int)
        draw.line(
            [tuple(point) for point in line],
            fill=tuple(tone.tolist()),
            width=round(FINER * width / bristles) + 1,
            joint="curve",
        )
