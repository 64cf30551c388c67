"""Takes ONNX Runtime Web out of its npm package into ``fststyle/page/engine/``, whose files ship:

    python experiments/page_engine.py

Needs npm. The version and the files' checksums are pinned here; a file that is another one is not
taken. Licence and notices are those of the installed Python package, which is the same project's.
"""

import argparse
import gzip
import hashlib
import importlib.util
import subprocess
import tarfile
import tempfile
from pathlib import Path

VERSION = "1.30.0"
FILES = {
    # Without WebGPU: what runs everywhere, with one thread or several, starts soonest.
    "ort.wasm.bundle.min.mjs": (
        "cpu.js",
        "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    ),
    "ort-wasm-simd-threaded.wasm": (
        "cpu.wasm.gz",
        "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
    ),
    # With WebGPU, by JavaScript Promise Integration. The build by Asyncify needs no such browser,
    # but is 26.8 MB, starts in three times the time, and its CPU part is half as fast.
    "ort.jspi.bundle.min.mjs": (
        "webgpu.js",
        "07ec090355e11b342c95436db54da2d0c2bd5b1d319745bfd3337e6bdcf170ac",
    ),
    "ort-wasm-simd-threaded.jspi.wasm": (
        "webgpu.wasm.gz",
        "a54c76f86b0f0d9572380cf1c6292a7b3903716ffcbcd6b0e5c7050bf430eb93",
    ),
}
"""In the package's ``dist/``: the name here, and the SHA-256 before it is compressed. JavaScript is
called .js, since not every file server knows .mjs."""
ENGINE = Path(__file__).parents[1] / "fststyle" / "page" / "engine"


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    ENGINE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        asked = ["npm", "pack", f"onnxruntime-web@{VERSION}", "--silent"]
        subprocess.run(asked, cwd=folder, check=True)
        (archive,) = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as package:
            for name, (ours, expected) in FILES.items():
                member = package.extractfile(f"package/dist/{name}")
                assert member is not None
                data = member.read()
                found = hashlib.sha256(data).hexdigest()
                if found != expected:
                    raise SystemExit(f"{name} has SHA-256 {found}, and {expected} was expected")
                packed = ours.endswith(".gz")
                (ENGINE / ours).write_bytes(gzip.compress(data, 9, mtime=0) if packed else data)
    found_at = importlib.util.find_spec("onnxruntime")
    assert found_at is not None and found_at.origin is not None
    for name in ("LICENSE", "ThirdPartyNotices.txt"):
        (ENGINE / name).write_bytes((Path(found_at.origin).parent / name).read_bytes())
    for file in sorted(ENGINE.iterdir()):
        print(f"{file.name}: {file.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
