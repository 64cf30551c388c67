"""A photo in the manner of a painting: ``python examples/five_lines.py photo.jpg starry.jpg``."""

import sys

import fststyle

stylize = fststyle.load_style("starry_night")
stylize(sys.argv[1]).save(sys.argv[2])
