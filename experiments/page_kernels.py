"""Builds the page's kernels, ``fststyle/page/transform.c``, into ``fststyle/page/engine/``:

    pip install ziglang==0.17.1 && python experiments/page_kernels.py

Zig brings Clang for WebAssembly. Of the two files that come out one multiplies and adds in one
instruction, which not every browser knows yet. Each ends with a section "source", which says what
it was made of.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

VERSION = "0.17.1"
PAGE = Path(__file__).parents[1] / "fststyle" / "page"
SOURCE, ENGINE = PAGE / "transform.c", PAGE / "engine"
FILES = {"transform.wasm": [], "relaxed.wasm": ["-mrelaxed-simd"]}
"""With what each is built, beside ``FLAGS``."""
FLAGS = (
    *("-target", "wasm32-freestanding", "-nostdlib", "-O3", "-Wall", "-Wextra", "-Werror"),
    *("-msimd128", "-matomics", "-mbulk-memory", "-Wl,--no-entry", "-Wl,--strip-all"),
    *("-Wl,--import-memory", "-Wl,--shared-memory", "-Wl,--max-memory=2147483648"),
    "-Wl,--export=__stack_pointer",
)
SECTION = b"source"


def made_of() -> bytes:
    """A custom section of WebAssembly with the source's checksum."""
    checksum = hashlib.sha256(SOURCE.read_bytes()).hexdigest().encode()
    content = bytes([len(SECTION)]) + SECTION + checksum
    assert len(content) < 128  # so that its length takes one byte
    return bytes([0, len(content)]) + content


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    zig = [sys.executable, "-m", "ziglang"]
    found = subprocess.run([*zig, "version"], capture_output=True, text=True).stdout.strip()
    if found != VERSION:
        raise SystemExit(f"Zig is to be {VERSION}, found {found or 'none'}: see this file's top")
    with tempfile.TemporaryDirectory() as folder:
        for name, flags in FILES.items():
            built = Path(folder) / name
            subprocess.run([*zig, "cc", *FLAGS, *flags, SOURCE, "-o", built], check=True)
            (ENGINE / name).write_bytes(built.read_bytes() + made_of())
            print(f"{name}: {(ENGINE / name).stat().st_size / 1e3:.1f} kB")


if __name__ == "__main__":
    main()
