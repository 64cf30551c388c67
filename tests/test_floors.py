"""The layers of the package: imports go down only, and what stylizes needs no torch."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from fststyle.__main__ import TRAINING_PACKAGES
from tests.conftest import ROOT, picture

FLOORS = [
    ["__main__"],
    ["benchmark_robustness", "benchmark_video"],
    ["robustness"],
    ["benchmark_depth", "benchmark_infer", "benchmark_optimize"],
    ["benchmark", "compare", "depth_convert", "publish"],
    ["optimization"],
    ["training"],
    ["evaluation"],
    ["export"],
    ["agreement", "quantize"],
    ["onnx_graph", "objective"],
    ["depth_network", "loss_network", "content_weights", "losses", "colour", "training.device"],
    ["checkpoint", "data"],
    ["networks"],
    ["runtime"],
    ["cards"],
    ["config", "images", "figures"],
    ["opening", "failures"],
    ["shipped", "console", "files", "memory"],
    ["__init__"],
]
"""Rooms, the highest first: files, folders, and files that stand on another floor than their folder
does. A room imports those of lower floors; those of its own floor it does without."""
TORCH_FREE = [
    "runtime",
    "cards",
    "config",
    "images",
    "shipped",
    "figures",
    "failures",
    "console",
    "files",
    "memory",
    "opening",
    "__init__",
    "__main__",
]
FILES = sorted((ROOT / "fststyle").rglob("*.py"))


def room(module: str) -> str:
    """The room of FLOORS that ``module``, or a name in it, belongs to."""
    parts = module.split(".")[1:]
    rooms = {room for floor in FLOORS for room in floor}
    for name in (".".join(parts[:2]), *parts[:1]):
        if name in rooms:
            return name
    there = ROOT / "fststyle" / "".join(parts[:1])
    assert not parts or not (there.is_dir() or there.with_suffix(".py").is_file()), (
        f"{module} stands on no floor: give it one in FLOORS"
    )
    return "__init__"


def floor(module: str) -> int:
    """Its number, 0 at the top."""
    return next(i for i, rooms in enumerate(FLOORS) if room(module) in rooms)


def module_of(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)


def imports(file: Path) -> set[str]:
    """What a file imports anywhere in it, functions included: ``module.name`` for ``from module
    import name``."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: relative imports hide what they reach for"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_go_down_only(file: Path) -> None:
    own = module_of(file)
    for name in imports(file):
        package = name.split(".")[0]
        if package == "fststyle" and room(name) != room(own):
            assert floor(name) > floor(own), f"{own} imports {name}, which does not lie below it"
        if room(own) in TORCH_FREE:
            assert package not in ("torch", "torchvision"), f"{own} imports {name}"


WITHOUT = """
import importlib, json, sys
from fststyle.__main__ import main
modules, packages, arguments = map(json.loads, sys.argv[1:])
sys.modules.update(dict.fromkeys(packages))  # whoever imports one of these is told it is not there
for module in modules:
    importlib.import_module(module)
sys.exit(main(arguments))
"""


def test_stylizing_runs_where_torch_is_out_of_reach(tmp_path: Path) -> None:
    """As are the other packages for training; every module that is to do without is imported."""
    picture(0).save(tmp_path / "photo.png")
    modules = [module_of(file) for file in FILES if room(module_of(file)) in TORCH_FREE]
    arguments = ["infer", "starry_night_live", str(tmp_path / "photo.png"), "--provider", "cpu"]
    arguments += ["--output", str(tmp_path / "out.png")]
    assert len(modules) > 15
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, *map(json.dumps, (modules, TRAINING_PACKAGES, arguments))],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.png").is_file()
