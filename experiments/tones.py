"""What a style gains where the light and colours of what is near are brought back.

    python experiments/tones.py great_wave --style painting.jpg --photos unseen/ --json figures.json

For several tints that the painting may leave there, in levels of 255, 256 for whatever it leaves:
how far the nearest third of the photos is from their light and colours, in levels, and of
``evaluate``'s figures the content loss of the nearest third by that of the farthest, and the sum of
the style's relative errors.
"""

import argparse
import contextlib
import io
import json
import tempfile
from pathlib import Path

import cv2
import numpy as np
from locality import nearness, read_photos
from PIL import Image

from fststyle import load_style
from fststyle.__main__ import main as fststyle
from fststyle.benchmarks.timing import hardware
from fststyle.images import tones
from fststyle.utils.figures import write_json

TINTS = (256, 40, 24, 0)
SIDE = 256


def off(style: str, photos: list[Image.Image]) -> float:
    """Levels, in the nearest third."""
    stylizer, distances = load_style(style), []
    for photo in photos:
        near, pixels = nearness(stylizer, photo), np.asarray(photo)
        difference = stylizer(pixels, weight_map=near).astype(np.float32) - pixels
        slow = cv2.GaussianBlur(difference, (0, 0), 12)
        distances.append(np.abs(slow[near >= np.quantile(near, 2 / 3)]).mean())
    return float(np.mean(distances))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("network", help="the name of one that ships, or a file")
    parser.add_argument("--style", type=Path, required=True)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    photos, rows = read_photos(options.photos, SIDE), {}
    print("| tint | tones off | near : far | style |\n|---|---|---|---|")
    for tint in TINTS:
        tones.TINT = tint
        with tempfile.TemporaryDirectory() as folder:
            figures = Path(folder, "figures.json")
            arguments = [options.network, "--photos", options.photos, "--style", options.style]
            with contextlib.redirect_stdout(io.StringIO()):
                fststyle([*map(str, ["evaluate", *arguments, "--no-maps", "--json", figures])])
            found = json.loads(figures.read_text())
        (networks,), (errors,) = (found[x].values() for x in ("paintings", "relative_errors"))
        (name, network), *_ = networks.items()
        row = {
            "off": off(options.network, photos),
            "near : far": network["mean"]["content near"] / network["mean"]["content far"],
            "style": sum(value for key, value in errors[name].items() if "style" in key),
        }
        rows[str(tint)] = row
        print(
            f"| {tint} | {row['off']:.0f} | {row['near : far']:.2f} | {row['style']:.2f} |",
            flush=True,
        )
    if options.json:
        write_json(options.json, {"hardware": hardware(), "tints": rows})


if __name__ == "__main__":
    main()
