"""A painting and photos for a first training, with nothing to download: a stained-glass window, the
photos that come with scikit-image, and scenes rendered from them."""

from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.spatial import cKDTree
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
        write_image(stained_glass(), folder / "style.png")


PALETTE = {
    "sun": ((255, 214, 92), (250, 172, 52), (240, 120, 40)),
    "sky": ((28, 70, 160), (46, 110, 190), (92, 160, 214), (20, 44, 118), (122, 70, 150)),
    "hills": ((28, 120, 84), (74, 150, 66), (14, 84, 88), (150, 170, 60)),
    "water": ((16, 92, 128), (30, 140, 150), (12, 54, 104), (190, 60, 60)),
}


def stained_glass(size: int = 640, seed: int = 3) -> Image.Image:
    """A window: a sun above hills and water, in pieces of glass between lead lines."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size
    # Pieces are the cells of points that were moved apart (Lloyd 1982), in a space bent a little.
    waves = gaussian_filter(random.normal(size=(2, size, size)), (0, size / 16, size / 16))
    waves *= 0.02 / waves.std()
    grid_x, grid_y = (x + waves[0]).ravel(), (y + waves[1]).ravel()
    pixels = np.stack([grid_x, grid_y], 1)
    points = random.random((230, 2))
    for _ in range(4):
        _, nearest = cKDTree(points).query(pixels[::7])
        count = np.maximum(np.bincount(nearest, minlength=len(points)), 1)
        points = np.stack(
            [np.bincount(nearest, pixels[::7, i], len(points)) / count for i in (0, 1)], 1
        )
    distance, nearest = cKDTree(points).query(pixels, 3)
    cell = nearest[:, 0].reshape(size, size)
    # Distance to the border between the two nearest points, in 640ths of the window.
    gap = points[nearest[:, 1]] - points[nearest[:, 0]]
    edge = (distance[:, 1] ** 2 - distance[:, 0] ** 2) / (2 * np.linalg.norm(gap, axis=1)) * 640
    edge = edge.reshape(size, size)
    colors = np.stack([_glass_color(point, random) for point in points])
    glass = colors[cell].astype(np.float64) / 255
    # Each piece has a gradient of its own, streaks and noise.
    slope = random.normal(0, 1.3, (len(points), 2))
    place = pixels.reshape(size, size, 2) - points[cell]
    shade = 1 + (place * slope[cell]).sum(-1)
    streaks = gaussian_filter(random.normal(size=(size, size)), (1, 9))
    across = map_coordinates(streaks, [x * size, y * size], order=1, mode="wrap")
    streaked = np.where(random.random(len(points))[cell] < 0.5, streaks, across)
    noise = gaussian_filter(random.normal(size=(size, size)), 1)
    glass *= (shade + 0.09 * streaked / streaks.std() + 0.04 * noise / noise.std())[..., None]
    # Light falls in from the sun, and gathers in the middle of each piece.
    light = np.exp(-((x - 0.64) ** 2 + (y - 0.3) ** 2) / 0.18)
    glass = glass * (0.82 + 0.35 * light + 0.12 * np.clip(edge / 14, 0, 1))[..., None]
    width = 2.6 + 0.7 * gaussian_filter(random.normal(size=(size, size)), 12) * 12
    lead = np.clip((width - edge) / 1.2 + 0.5, 0, 1)[..., None]
    ridge = np.clip(1 - np.abs(edge - 1.0) / 1.3, 0, 1)[..., None]
    metal = 0.07 + 0.16 * ridge * np.array([1.0, 1.02, 1.1])
    picture = glass * (1 - lead) + metal * lead
    return Image.fromarray((np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8))


def _glass_color(point: np.ndarray, random: np.random.Generator) -> np.ndarray:
    x, y = point
    if np.hypot(x - 0.64, y - 0.3) < 0.13:
        kind = "sun"
    elif y < 0.56 + 0.08 * np.sin(7 * x + 1):
        kind = "sky"
        if np.hypot(x - 0.64, y - 0.3) < 0.24 and random.random() < 0.6:
            kind = "sun"
    elif y < 0.76 + 0.05 * np.sin(11 * x):
        kind = "hills"
    else:
        kind = "water"
    chosen = PALETTE[kind][random.integers(len(PALETTE[kind]))]
    return np.clip(np.array(chosen) + random.normal(0, 9, 3), 0, 255)
