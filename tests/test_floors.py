"""The layers of the package: imports go down only."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

FLOORS = [
    ["__main__"],
    [
        "compare",
        "publish",
        "benchmark",
        "benchmark_depth",
        "benchmark_infer",
        "benchmark_optimize",
        "benchmark_video",
        "depth_convert",
    ],
    ["training", "optimization", "evaluation", "export", "runtime"],
    ["agreement", "quantize"],
    ["onnx_graph"],
    ["objective"],
    ["depth_network", "loss_network"],
    ["losses", "content_weights", "colour", "data", "checkpoint"],
    ["networks"],
    ["config", "images"],
    ["shipped", "files"],
    ["__init__"],
]
FILES = sorted((ROOT / "fststyle").rglob("*.py"))


def floor(module: str) -> int:
    """Number of the floor of ``fststyle.<module>…``, 0 at the top."""
    parts = module.split(".")
    room = parts[1] if len(parts) > 1 else "__init__"
    return next(i for i, rooms in enumerate(FLOORS) if room in rooms)


def imports(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "fststyle":
            found |= {f"fststyle.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(str(node.module))
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_go_down_only(file: Path) -> None:
    own = "fststyle." + ".".join(file.relative_to(ROOT / "fststyle").with_suffix("").parts)
    for name in imports(file):
        if name.split(".")[0] == "fststyle":
            assert floor(name) >= floor(own), f"{own} imports {name}, which lies above it"
        if ".runtime" in own:
            assert name.split(".")[0] not in ("torch", "torchvision"), f"{own} imports {name}"


def test_stylizing_imports_no_torch() -> None:
    code = "import sys, fststyle.__main__, fststyle.runtime.infer; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "False", done.stderr
