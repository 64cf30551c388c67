"""``python export.py``: the same as ``python -m fststyle export``."""

import sys

from fststyle.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["export", *sys.argv[1:]]))
