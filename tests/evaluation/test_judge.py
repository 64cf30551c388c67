"""The page for blind comparison, as a file and in a browser."""

import base64
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.conftest import picture, run_here

Study = dict[str, Any]


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """Three methods' pictures of two photos in the styles of two paintings, in the folder "of"; the
    photos and paintings beside it. The makers' names stand in the files, too."""
    for number, method in enumerate(("ours", "theirs", "wide")):
        for seed, painting in enumerate(("wave", "scream")):
            (tmp_path / "of" / method / painting).mkdir(parents=True)
            for photo in range(2):
                drawn = picture(100 * number + 10 * seed + photo, 96, 64 - number)
                file = tmp_path / "of" / method / painting / f"photo{photo}.jpg"
                drawn.save(file, comment=f"by {method}", quality=95)
    for seed, place in enumerate(
        ("photos/photo0", "photos/photo1", "styles/wave", "styles/scream")
    ):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        picture(500 + seed, 90, 60).save(tmp_path / f"{place}.png")
    return tmp_path


def study_of(page: Path) -> Study:
    text = page.read_text("utf-8")
    (study,) = re.findall(r'<script type="application/json" id="study">(.*?)</script>', text)
    return json.loads(study)


def key_of(study: Study) -> Study:
    return json.loads(base64.b64decode(study["key"]))


def shown(study: Study, number: int) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(study["pictures"][number])))


def alike(image: Image.Image, file: Path) -> bool:
    with Image.open(file) as other:
        same = np.asarray(image.convert("L").resize((24, 16)), np.float32)
        return bool(np.abs(same - np.asarray(other.convert("L").resize((24, 16)))).mean() < 6)


def test_one_file_holds_pairs_in_random_order_without_names(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = outputs / "judge.html"
    given = ["--photos", outputs / "photos", "--style", *sorted((outputs / "styles").iterdir())]
    options = ["--output", page, "--size", 80, "--seed", 5]
    assert run_here(capsys, "judge", outputs / "of", *given, *options) == (0, "")
    study = study_of(page)
    key = key_of(study)
    assert len(study["pairs"]) == len(key["pairs"]) == 12  # of three methods and four pictures
    for (a, b, photo, painting), (place, first, second) in zip(
        study["pairs"], key["pairs"], strict=True
    ):
        assert alike(shown(study, a), outputs / "of" / first / f"{place}.jpg")
        assert alike(shown(study, b), outputs / "of" / second / f"{place}.jpg")
        # The smallest one's size, 96×62, reduced.
        assert shown(study, a).size == shown(study, b).size == (80, 52)
        style, name = place.split("/")
        assert alike(shown(study, photo), outputs / "photos" / f"{name}.png")
        assert alike(shown(study, painting), outputs / "styles" / f"{style}.png")
    assert len(study["pictures"]) == 12 + 2 + 2
    text = page.read_text("utf-8")
    for image in map(base64.b64decode, study["pictures"]):
        assert b"by " not in image
    assert not re.search(r"\b(ours|theirs|wide|photo0|judge/of)\b", text)
    assert not re.search(r"""(src|href)=["']?(https?:)?//|url\(|@import|fetch\(""", text)
    for seed, same in ((5, True), (6, False)):
        status, error = run_here(
            capsys, "judge", outputs / "of", *given, *options[:-1], seed, "--overwrite"
        )
        assert (status, study_of(page) == study) == (0, same)
    status, error = run_here(capsys, "judge", outputs / "of", "--output", page)
    assert status == 2 and "exists already: add --overwrite" in error


def test_pictures_are_cut_to_one_size_without_being_resampled(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A picture that has a row or two more than another one of the photo keeps its pixels."""
    page = outputs / "judge.html"
    folders = [outputs / "of" / method for method in ("ours", "wide")]  # 96×64 and 96×62
    status, _ = run_here(capsys, "judge", *folders, "--output", page, "--quality", 100)
    assert status == 0
    study = study_of(page)
    key = key_of(study)["pairs"]
    number, side = next((n, names.index("ours")) for n, names in enumerate(key))
    ours = shown(study, study["pairs"][number][side - 1])
    with Image.open(outputs / "of/ours" / f"{key[number][0]}.jpg") as whole:
        difference = np.abs(np.asarray(ours, np.int16) - np.asarray(whole, np.int16)[:62])
    assert ours.size == (96, 62) and difference.mean() < 2


def test_as_many_pairs_as_are_asked_for_and_only_their_pictures(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = outputs / "judge.html"
    assert run_here(capsys, "judge", outputs / "of", "--pairs", 3, "--output", page)[0] == 0
    study = study_of(page)
    two = {frozenset(pair[1:]) for pair in key_of(study)["pairs"]}
    assert len(two) == 3 and len(study["pictures"]) == 6
    assert all(pair[2:] == [None, None] for pair in study["pairs"])


def test_the_rest_is_shown_where_a_picture_cannot_be(
    outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (outputs / "of/ours/wave/photo0.jpg").write_bytes(b"no picture")
    picture(0, 64, 96).save(outputs / "of/theirs/scream/photo1.jpg")
    (outputs / "of/wide/wave/photo1.jpg").rename(outputs / "of/wide/wave/alone.jpg")
    page = outputs / "judge.html"
    status, error = run_here(capsys, "judge", outputs / "of", "--output", page)
    assert status == 1
    pairs = sorted((place, *sorted(two)) for place, *two in key_of(study_of(page))["pairs"])
    assert pairs == [
        *(("scream/photo0", *two) for two in (("ours", "theirs"), ("ours", "wide"))),
        *(("scream/photo0", "theirs", "wide"), ("wave/photo0", "theirs", "wide")),
        ("wave/photo1", "ours", "theirs"),
    ]
    assert "left out, since one method alone has a picture: wave/alone" in error
    assert "photo0.jpg: not a picture" in error and "another shape than" in error


@pytest.mark.parametrize(
    "arguments, said",
    [
        ((), "folders of pictures are needed"),
        (("of", "--result", "votes.json"), "and not both"),
        (("of", "--json", "x.json"), "--json is about --result"),
        (("of/ours/wave",), "holds 0 folder(s): a folder of pictures for each of two methods"),
        (("nothing",), "no such folder"),
        (("of/ours", "photos"), "no two methods have a picture of one name"),
        (("of", "--output", "page.txt"), "give the name of a .html file"),
    ],
)
def test_what_cannot_be_shown_is_said_in_a_line(
    arguments: tuple[str, ...],
    said: str,
    outputs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(outputs)
    status, error = run_here(capsys, "judge", *arguments)
    assert status == 2 and said in error.splitlines()[-1]
    assert not (outputs / "judge.html").exists()


Open = Callable[..., Any]


@pytest.fixture
def open_page(
    outputs: Path, capsys: pytest.CaptureFixture[str], launch: Callable[..., Any]
) -> Iterator[Open]:
    """``open_page(**options)``: the page of all methods in a browser, as Playwright's ``Page``."""
    page = outputs / "judge.html"
    arguments = [outputs / "of", "--photos", outputs / "photos", "--output", page]
    assert run_here(capsys, "judge", *arguments)[0] == 0
    browser = launch()

    def opened(**options: Any) -> Any:
        tab = browser.new_context(**options).new_page()
        tab.on("pageerror", lambda error: pytest.fail(str(error)))
        tab.on("request", lambda asked: requests.append(asked.url))
        tab.goto(page.as_uri())
        ready(tab)
        return tab

    requests: list[str] = []
    yield opened
    browser.close()
    assert {url.partition(":")[0] for url in requests} <= {"file", "data", "blob"}
    assert {url for url in requests if url.startswith("file:")} == {page.as_uri()}


def ready(tab: Any) -> None:
    """Until a vote counts."""
    while not tab.evaluate("performance.now() - shownSince > TOO_SOON"):
        tab.wait_for_timeout(
            20
        )  # the page's policy forbids wait_for_function, which evaluates text


def votes_of(tab: Any, folder: Path, press: str | None = "s") -> Study:
    with tab.expect_download() as download:
        if press:
            tab.keyboard.press(press)
        else:
            tab.get_by_role("button", name="Save votes").click()
    file = folder / download.value.suggested_filename
    download.value.save_as(file)
    return json.loads(file.read_text())


def test_a_page_is_judged_by_keys_and_clicks(
    open_page: Open, outputs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tab = open_page()
    key = key_of(study_of(outputs / "judge.html"))["pairs"]
    assert tab.locator("#count").inner_text() == "pair 1 of 12"
    assert tab.get_by_role("button", name="Undo").is_disabled()
    assert tab.locator("h1").inner_text() == "Which is the better picture of this photo?"
    actions: list[tuple[str, Callable[[], None]]] = [
        ("a", lambda: tab.keyboard.press("ArrowLeft")),
        ("b", lambda: tab.keyboard.press("ArrowRight")),
        ("equal", lambda: tab.keyboard.press("ArrowDown")),
        ("a", lambda: tab.get_by_role("button", name="Picture A is better").click()),
        ("b", lambda: tab.get_by_role("button", name="Picture B is better").dblclick()),
        ("equal", lambda: tab.get_by_role("button", name="Equal").click()),
        ("b", lambda: tab.get_by_role("button", name="B is better", exact=False).last.click()),
    ]
    for _, act in actions:
        act()
        ready(tab)
    assert tab.locator("#count").inner_text() == "pair 8 of 12"  # a double click is one vote
    tab.keyboard.press("u")
    assert tab.locator("#count").inner_text() == "pair 7 of 12"
    tab.reload()
    ready(tab)
    assert tab.locator("#count").inner_text() == "pair 7 of 12"
    saved = votes_of(tab, outputs)
    assert [vote["vote"] for vote in saved["votes"]] == [vote for vote, _ in actions[:6]]
    assert [[v["picture"], v["a"], v["b"]] for v in saved["votes"]] == key[:6]
    while tab.locator("#pair").is_visible():
        ready(tab)
        tab.keyboard.press("ArrowLeft")
    assert tab.get_by_text("All pairs are judged").is_visible()
    tab.keyboard.press("ArrowLeft")
    whole = votes_of(tab, outputs, press=None)
    assert len(whole["votes"]) == 12 and whole["judge"] == saved["judge"]
    tab.on("dialog", lambda dialog: dialog.accept())
    tab.get_by_role("button", name="Start again").click()
    ready(tab)
    assert tab.locator("#count").inner_text() == "pair 1 of 12"
    tab.keyboard.press("ArrowRight")
    second = votes_of(tab, outputs)
    assert second["judge"] != saved["judge"] and len(second["votes"]) == 1
    files = sorted(outputs.glob("votes-*.json"))
    assert len(files) == 2
    assert run_here(capsys, "judge", "--result", *files) == (0, "")


@pytest.mark.parametrize(
    "width, height, scheme, stacked",
    [(1280, 800, "light", False), (390, 780, "dark", True), (780, 390, "dark", False)],
)
def test_both_pictures_are_seen_on_any_screen(
    width: int, height: int, scheme: str, stacked: bool, open_page: Open
) -> None:
    tab = open_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    a, b, equal = (tab.locator(s).bounding_box() for s in ("#a", "#b", "[data-vote=equal]"))
    for box in (a, b, equal):
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
        assert box["y"] >= 0 and box["y"] + box["height"] <= height
        assert box["height"] >= 44
    assert (b["y"] >= a["y"] + a["height"]) is stacked
    assert not tab.evaluate("document.documentElement.scrollWidth > innerWidth")
    for name in ("--text", "--quiet", "--accent"):  # by WCAG 2.2, as luminances
        assert tab.evaluate(CONTRAST, [name, "--ground"]) >= 4.5
    assert tab.evaluate(CONTRAST, ["--line", "--ground"]) >= 3


CONTRAST = """(names) => {
  const luminance = (name) => {
    const probe = document.body.appendChild(document.createElement("i"));
    probe.style.color = `var(${name})`;
    const color = getComputedStyle(probe).color;
    const parts = color.match(/[0-9.]+/g).slice(0, 3).map((part) => part / 255);
    probe.remove();
    const linear = (x) => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
    const [r, g, b] = parts.map(linear);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [low, high] = names.map(luminance).sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}"""
