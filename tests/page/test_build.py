"""``fststyle page``: the folder that it writes."""

import gzip
import hashlib
import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fststyle.page import build
from fststyle.page.build import ENGINE, SITE
from tests.conftest import ROOT, run_here

MOST = 25e6
"""Bytes of the page of the live styles that ship."""


def test_the_page_of_the_live_styles_that_ship(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "deep" / "page"
    status, err = run_here(capsys, "page", folder)
    assert status == 0, err
    files = {file.relative_to(folder).as_posix(): file for file in sorted(folder.rglob("*"))}
    files = {name: file for name, file in files.items() if file.is_file()}
    assert sum(file.stat().st_size for file in files.values()) <= MOST
    catalogue = json.loads((folder / "page.json").read_text(encoding="utf-8"))
    names = [style["name"] for style in catalogue["styles"]]
    assert len(names) >= 5 and all(name.endswith("_live") for name in names)
    for style in catalogue["styles"]:
        assert files[style["file"]].stat().st_size == style["bytes"]
        assert files[style["kernels"]["file"]].stat().st_size < style["bytes"]
        with Image.open(files[style["swatch"]]) as swatch:
            assert swatch.size == (192, 120)
    assert files[catalogue["depth"]["file"]].stat().st_size == catalogue["depth"]["bytes"]
    assert not list(tmp_path.rglob(".*.tmp"))


def test_a_page_that_cannot_be_copied_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    for name in ("a.js", "b.js"):
        (site / name).symlink_to("nowhere")
    monkeypatch.setattr(build, "SITE", site)
    status, error = run_here(capsys, "page", tmp_path / "page", "--styles", "udnie_live")
    assert status == 2 and error.count("\n") == 1
    assert re.search(r"[ab]\.js cannot be copied \(.*No such file", error)
    assert not [path for path in tmp_path.rglob("*") if "page" in path.name]


def test_every_file_is_known_to_the_service_worker(site: Path) -> None:
    worker = (site / "sw.js").read_text(encoding="utf-8")
    (line,) = re.findall(r"^const FILES = (.*);$", worker, re.M)
    there = {file.relative_to(site).as_posix() for file in site.rglob("*") if file.is_file()}
    assert set(json.loads(line)) == there - {"sw.js"}
    (version,) = re.findall(r'^const VERSION = "([0-9a-f]{12})";$', worker, re.M)
    assert version


def test_a_page_with_another_style_has_another_version(
    site: Path, mapped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_here(capsys, "page", tmp_path / "page", "--styles", mapped)[0] == 0
    other = (tmp_path / "page" / "sw.js").read_text(encoding="utf-8")
    version = re.compile(r"^const VERSION = .*$", re.M)
    before = version.search((site / "sw.js").read_text(encoding="utf-8"))
    after = version.search(other)
    assert before and after and before[0] != after[0]


def test_nothing_in_the_page_names_another_host() -> None:
    for file in SITE.iterdir():
        found = re.findall(r"https?://[^\"' )]+", file.read_text(encoding="utf-8"))
        assert set(found) <= {"http://www.w3.org/2000/svg"}, file


def test_a_page_is_replaced_only_where_that_is_asked_for(
    mapped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page"
    assert run_here(capsys, "page", page, "--styles", mapped)[0] == 0
    (page / "old").write_text("of the page before")
    status, err = run_here(capsys, "page", page, "--styles", mapped)
    assert status == 2 and "is a page already: add --overwrite" in err
    assert (page / "old").exists()
    assert run_here(capsys, "page", page, "--styles", mapped, "--overwrite")[0] == 0
    assert not (page / "old").exists()


def test_nothing_else_is_ever_replaced(
    mapped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "holidays").mkdir()
    photo = tmp_path / "holidays" / "photo.jpg"
    photo.write_bytes(b"a photo")
    for place, message in (
        (tmp_path / "holidays", "holds other things than a page: choose another folder"),
        (photo, "exists already"),
    ):
        status, err = run_here(capsys, "page", place, "--styles", mapped, "--overwrite")
        assert status == 2 and message in err and err.count("\n") == 1
    assert photo.read_bytes() == b"a photo"


def test_a_style_that_cannot_be_read_leaves_nothing_and_loses_nothing(
    mapped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, broken = tmp_path / "page", tmp_path / "broken.onnx"
    broken.write_bytes(b"no network")
    status, err = run_here(capsys, "page", page, "--styles", mapped, broken)
    assert status == 2 and "broken.onnx: damaged" in err
    assert [file.name for file in tmp_path.iterdir()] == ["broken.onnx"]
    assert run_here(capsys, "page", page, "--styles", mapped)[0] == 0
    before = (page / "page.json").read_text(encoding="utf-8")
    assert run_here(capsys, "page", page, "--styles", broken, "--overwrite")[0] == 2
    assert (page / "page.json").read_text(encoding="utf-8") == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "page OUT: name the folder to write, or --serve"),
        (["out", "--styles", "mona_lisa"], "mona_lisa is no style: the styles that ship are"),
        (["out", "--styles", "a/x.onnx", "b/x.onnx"], "--styles: two are called x"),
        (["out", "--serve", "--port", "99999"], "--port must lie in [0, 65535]"),
        (["out", "--styles", "missing.onnx"], "missing.onnx: no such file"),
    ],
)
def test_bad_options_are_said_in_one_line(
    arguments: list[Any], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, err = run_here(capsys, "page", *arguments)
    assert status == 2 and message in err and err.count("\n") == 1


def experiment(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, ROOT / "experiments" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_engine_is_what_the_pinned_package_holds() -> None:
    names = set()
    for name, expected in experiment("page_engine").FILES.values():
        data = (ENGINE / name).read_bytes()
        whole = gzip.decompress(data) if name.endswith(".gz") else data
        assert hashlib.sha256(whole).hexdigest() == expected, name
        names.add(name)
    names |= {"LICENSE", "ThirdPartyNotices.txt", *experiment("page_kernels").FILES}
    assert {file.name for file in ENGINE.iterdir()} == names
    assert "MIT License" in (ENGINE / "LICENSE").read_text(encoding="utf-8")


def test_the_kernels_were_built_from_the_source_that_is_here() -> None:
    kernels = experiment("page_kernels")
    for name in kernels.FILES:
        assert (ENGINE / name).read_bytes().endswith(kernels.made_of()), f"build {name} anew"
