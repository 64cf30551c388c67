"""``python infer.py``: the same as ``python -m fststyle infer``."""

import sys

from fststyle.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["infer", *sys.argv[1:]]))
