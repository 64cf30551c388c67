"""The layers of the package: imports go down only, and what stylizes needs no torch."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fststyle.__main__ import TRAINING_PACKAGES
from tests.conftest import ROOT, picture

FLOORS = [
    ["__init__", "__main__"],
    ["benchmarks.robustness"],
    ["benchmarks"],
    ["training"],
    ["evaluation", "optimization", "page"],
    ["data.depth"],
    ["data"],
    ["data.scenes"],
    ["deployment", "losses", "inference"],
    ["depth"],
    ["checkpoints"],
    ["sessions"],
    ["inference.video"],
    ["images"],
    ["config"],
    ["networks", "utils"],
]
"""Rooms, the highest first: the package's folders, and its two files. A room imports those of lower
floors; those of its own floor it does without."""
TORCH_FREE = [
    *("__init__", "__main__", "config", "images", "inference", "inference.video"),
    *("page", "sessions"),
    *("depth.maps", "depth.predict", "depth.estimator", "depth.steady", "depth.upsampling"),
    *(f"evaluation.{name}" for name in ("bradley_terry", "judge", "judge_page", "pairs", "votes")),
    *(f"utils.{name}" for name in ("console", "failures", "figures", "files")),
    *(f"utils.{name}" for name in ("memory", "pretrained", "signals", "threads")),
]
"""Rooms, and single files of others, that stylizing needs: they do without torch."""
FILES = sorted((ROOT / "fststyle").rglob("*.py"))


def module_of(file: Path) -> str:
    """Dotted, below the package: ``inference.video.reader``; a folder's own file is the folder."""
    parts = file.relative_to(ROOT / "fststyle").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


MODULES = {module_of(file): file for file in FILES}


def room(name: str) -> str:
    """The folder of a module, or of a name in one."""
    while name not in MODULES:
        name = name.rpartition(".")[0]
        if not name:
            return "__init__"  # of fststyle itself
    is_folder = MODULES[name].name == "__init__.py" or "." not in name
    return name if is_folder else name.rpartition(".")[0]


def floor(name: str) -> int:
    """Its number, 0 at the top."""
    found = [number for number, rooms in enumerate(FLOORS) if name in rooms]
    assert found, f"{name} stands on no floor: give it one in FLOORS"
    return found[0]


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


def is_torch_free(module: str) -> bool:
    return module in TORCH_FREE or room(module) in TORCH_FREE


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down_only(module: str) -> None:
    own = room(module)
    for name in imports(MODULES[module]):
        package, _, rest = name.partition(".")
        if package == "fststyle" and room(rest) != own:
            assert floor(room(rest)) > floor(own), f"{module} imports {name}, which is not below it"
        if is_torch_free(module):
            assert package not in ("torch", "torchvision"), f"{module} imports {name}"


def test_there_are_no_rooms_but_those_of_the_plan() -> None:
    assert {room(module) for module in MODULES} == {room for rooms in FLOORS for room in rooms}
    assert sum(map(len, FLOORS)) <= 22


WITHOUT = """
import importlib, json, sys
from fststyle.__main__ import main
modules, packages, arguments = map(json.loads, sys.argv[1:])
sys.modules.update(dict.fromkeys(packages))  # whoever imports one of these is told it is not there
for module in modules:
    importlib.import_module(module)
sys.exit(main(arguments))
"""


@pytest.mark.parametrize(
    ("command", "made"),
    [
        ("infer starry_night_live photo.png --provider cpu --output out.png", "out.png"),
        ("page site --styles starry_night_live", "site/page.json"),
    ],
)
def test_stylizing_runs_where_torch_is_out_of_reach(
    command: str, made: str, tmp_path: Path
) -> None:
    """As are the other packages for training; every module that is to do without is imported."""
    picture(0).save(tmp_path / "photo.png")
    modules = [f"fststyle.{module}" for module in MODULES if is_torch_free(module)]
    assert len(modules) > 15
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            WITHOUT,
            *map(json.dumps, (modules, TRAINING_PACKAGES, command.split())),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / made).is_file()
