"""README and docs hang together: every link leads somewhere, every page says what is on it."""

import re
from pathlib import Path

import pytest
import yaml

import fststyle
from tests.conftest import ROOT
from tests.docs.markdown import PAGES, anchors, links, without_blocks

DOCS = sorted((ROOT / "docs").glob("*.md"))


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if re.match(r"https?://", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{page.name}: {link}"


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_every_page_lists_its_sections(page: Path) -> None:
    listed = re.findall(r"^- \[(.*)\]\(#.*\)$", page.read_text(), re.MULTILINE)
    headings = re.findall(r"^## (.*)$", without_blocks(page.read_text()), re.MULTILINE)
    assert listed == headings


def test_readme_is_short_and_leads_to_every_page() -> None:
    readme = ROOT / "README.md"
    assert len(readme.read_text().splitlines()) <= 200
    pages = {page.relative_to(ROOT).as_posix() for page in DOCS}
    assert pages <= {link.partition("#")[0] for link in links(readme)}


def test_contributing_names_what_exists() -> None:
    text = without_blocks((ROOT / "CONTRIBUTING.md").read_text())
    names = re.findall(r"`([\w./]+(?:\.py|\.sh|\.md|/))`", text)
    assert len(names) > 20
    missing = [
        name for name in names if not any((ROOT / f / name).exists() for f in ("", "fststyle"))
    ]
    assert not missing


def test_the_citation_says_what_readme_says() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == fststyle.__version__
    assert citation["license"] == "MIT"
    works = {work["title"].lower(): work for work in citation["references"]}
    readme = " ".join((ROOT / "README.md").read_text().split())
    cited = re.findall(r"\*([^*]+)\*, \[\w+ \d+\]\(https://(\S+)\)", readme)
    assert len(cited) == 4
    for title, address in cited:
        work = works[title.lower()]
        assert address in (f"doi.org/{work.get('doi')}", str(work.get("url"))[len("https://") :])
    assert any(work["type"] == "thesis" for work in works.values())
