"""A page, a server for it, and a Chromium that looks at it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import fststyle
from tests.conftest import Make, picture
from tests.page.looking import SIZE, Look, Looking

FAKE_CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
SOFTWARE_GPU = ("--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader")
"""WebGPU by the processor: slow, and without half precision."""


@pytest.fixture(scope="session")
def chromium(launch: Callable[..., Any]) -> Iterator[Any]:
    browser = launch(*FAKE_CAMERA)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def gpu_chromium(launch: Callable[..., Any]) -> Iterator[Any]:
    """The same with ``SOFTWARE_GPU``."""
    browser = launch(*FAKE_CAMERA, *SOFTWARE_GPU)
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def mapped(exported: Callable[..., Path]) -> Path:
    """A style that takes a map, of width 4."""
    return exported(uint8=True, mapped=True)


@pytest.fixture(scope="session")
def site(shared: Callable[[str, Make], Path], mapless: Path, mapped: Path) -> Path:
    """A page of the styles "starry", ``mapless``, and "x", ``mapped``."""

    def make(folder: Path) -> None:
        from fststyle.page.build import page

        page(folder / "site", styles=(mapless, mapped))

    return shared("page", make) / "site"


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    picture(2, *SIZE).save(path)
    return path


@pytest.fixture(scope="session")
def starry(mapless: Path) -> Any:
    """``mapless`` as programs use it."""
    return fststyle.load_style(mapless, provider="cpu", threads=1)


@pytest.fixture
def look(chromium: Any) -> Iterator[Looking]:
    """``look(folder)``: the page, open in a browser with an empty profile; ``query`` ends its
    address, ``plain`` is a server that knows nothing of pages, ``empty`` a page without styles,
    other options are the context's.

    After the test: whatever was asked for came from the page's own server, and the page has raised
    nothing.
    """
    opened: list[Look] = []

    def begin(
        folder: Path,
        query: str = "",
        *,
        browser: Any = None,
        plain: bool = False,
        empty: bool = False,
        **context: Any,
    ) -> Look:
        opened.append(Look(browser or chromium, folder, plain=plain, **context))
        opened[-1].open(query, empty=empty)
        return opened[-1]

    yield begin
    for each in opened:
        each.close()
    for each in opened:
        assert each.requests
        assert not [url for url in each.requests if not url.startswith((each.address, "blob:"))]
        assert not each.errors
