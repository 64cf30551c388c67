"""How far a map that changes in the sky moves what is near.

    python experiments/locality.py great_wave the_scream_live --photos unseen/ --json figures.json

Every photo is stylized with the map that depth gives, and with that map turned to its other end in
the third of the picture that is farthest. Said is the mean difference between the two in the
nearest third, and in the farthest, in levels of 255.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from fststyle import load_style
from fststyle.benchmarks.timing import hardware
from fststyle.config.infer import StyleControls
from fststyle.images.find import find_images
from fststyle.images.io import read_image
from fststyle.inference.stylizer import Stylizer
from fststyle.utils.figures import write_json


def read_photos(folder: Path, side: int) -> list[Image.Image]:
    """All below it, of ``side`` pixels on the shorter side."""
    photos = []
    for file in find_images(folder):
        photo = read_image(file)
        part = side / min(photo.size)
        photos.append(photo.resize([round(part * length) for length in photo.size]))
    return photos


def nearness(stylizer: Stylizer, photo: Image.Image) -> np.ndarray:
    """Of every pixel, 1 for the nearest, as ``infer`` has it."""
    maps = stylizer.weight_maps(StyleControls())
    assert maps is not None
    return np.asarray(Image.fromarray(maps(photo)).resize(photo.size, Image.Resampling.BILINEAR))


def moved(stylizer: Stylizer, photo: Image.Image) -> tuple[float, float]:
    """Levels in the nearest and in the farthest third."""
    near = nearness(stylizer, photo)
    low, high = np.quantile(near, (1 / 3, 2 / 3))
    pixels = np.asarray(photo)
    turned = np.where(near <= low, 1 - near, near)
    before, after = (stylizer(pixels, weight_map=x).astype(int) for x in (near, turned))
    change = np.abs(after - before)
    return float(change[near >= high].mean()), float(change[near <= low].mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("styles", nargs="+", help="as infer's")
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--side", type=int, default=256, help="pixels of the shorter side (256)")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    photos = read_photos(options.photos, options.side)
    figures = {}
    print("| style | nearest third | farthest third |\n|---|---|---|")
    for style in options.styles:
        stylizer = load_style(style)
        near, far = np.mean([moved(stylizer, photo) for photo in photos], 0).tolist()
        figures[stylizer.model.stem] = {"near": near, "far": far}
        print(f"| {style} | {near:.1f} | {far:.1f} |", flush=True)
    if options.json:
        write_json(options.json, {"hardware": hardware(), "photos": len(photos), "moved": figures})


if __name__ == "__main__":
    main()
