"""``python train.py``: the same as ``python -m fststyle train``."""

import sys

from fststyle.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
