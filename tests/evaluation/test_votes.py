import json
from pathlib import Path
from typing import Any

import pytest

from fststyle.evaluation.votes import Vote, figures, read_votes, tables
from fststyle.utils.failures import Failures
from tests.conftest import run_here


def saved(judge: str, given: str, *, page: str = "p", time: str = "1", **changes: Any) -> str:
    """A file of votes on photos of two paintings, one of "a", "b", "equal" for each."""
    kinds = {"a": "a", "b": "b", "=": "equal"}
    shown = [
        {"pair": n, "picture": f"{'wave' if n % 2 else 'scream'}/{n}", "a": "ours", "b": "theirs"}
        | {"vote": kinds[vote], "seconds": 1.5}
        for n, vote in enumerate(given)
    ]
    whole = {"kind": "fststyle votes", "page": page, "judge": judge, "saved": time, "votes": shown}
    return json.dumps(whole | changes)


def test_votes_saved_twice_count_once_as_they_were_last(tmp_path: Path) -> None:
    for name, text in {
        "late": saved("x", "abb", time="2"),
        "early": saved("x", "aa", time="1"),
        "other": saved("y", "a"),
        "page": saved("x", "=", page="q"),
    }.items():
        (tmp_path / name).write_text(text)
    failures = Failures()
    votes = read_votes([tmp_path / n for n in ("late", "early", "other", "page")], failures)
    assert sorted((v.judge, v.place, v.won) for v in votes) == [
        *(("x", "scream/0", 0.5), ("x", "scream/0", 1.0), ("x", "scream/2", 0.0)),
        *(("x", "wave/1", 0.0), ("y", "scream/0", 1.0)),
    ]
    assert not failures.reasons


def test_the_result_in_words_and_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.json").write_text(saved("x", "aaaa=b"))
    (tmp_path / "y.json").write_text(saved("y", "aa"))
    (tmp_path / "no.json").write_text("[]")
    files = [tmp_path / f"{name}.json" for name in ("x", "no", "y")]
    options = ["judge", "--result", *files, "--json", tmp_path / "figures.json"]
    status, error = run_here(capsys, *options)
    assert status == 1
    assert error == f"{tmp_path}/no.json: no votes: give files that pages of fststyle judge saved\n"
    found = json.loads((tmp_path / "figures.json").read_text())
    assert (found["votes"], found["judges"], found["pictures"]) == (8, 2, 6)
    assert found["a_share"] == pytest.approx(6 / 7)
    assert list(found["methods"]) == ["ours", "theirs"]
    ours = found["methods"]["ours"]
    assert (ours["won"], ours["equal"], ours["lost"]) == (6, 1, 1)
    assert ours["win_rate"] == 6.5 / 8
    (pair,) = found["pairs"]
    assert (pair["method"], pair["other"]) == ("ours", "theirs")
    assert pair["expected"] == pytest.approx(7 / 9)  # with half a win more for each
    assert pair["difference"] == pytest.approx(2 * ours["score"])
    assert 0 < pair["expected_interval"][0] < 7 / 9 < pair["expected_interval"][1] < 1
    wave = next(f for f in found["folders"] if f["folder"] == "wave" and f["method"] == "ours")
    assert (wave["won"], wave["lost"]) == (3, 1)
    assert str(tmp_path / "no.json") in found["passed_over"]


def test_the_table_is_in_order_of_the_scores() -> None:
    votes = [Vote("j", str(n), "bad", "good", 0.0) for n in range(3)]
    votes += [Vote("j", "0", "bad", "middle", 0.0), Vote("j", "0", "good", "middle", 1.0)]
    lines = tables(figures(votes)).splitlines()
    rows = [line.split(" | ")[0] for line in lines if line.startswith("| ")]
    methods, pairs = rows.index("| method"), rows.index("| method against another")
    assert rows[methods + 1 : pairs] == ["| good", "| middle", "| bad"]
    assert rows[pairs + 1 :] == ["| good : middle", "| good : bad", "| middle : bad"]
    assert "| good : bad | 3 | 3 | 0 | 0 | 100% |" in "\n".join(lines)


@pytest.mark.parametrize(
    "text, said",
    [
        (saved("x", ""), "there are no votes"),
        ("{", "no votes: give files"),
        (saved("x", "a", kind="other"), "no votes: give files"),
        (saved("x", "a", votes=[{"pair": 1}]), "is no vote; was the file changed?"),
        (saved("x", "a").replace('"vote": "a"', '"vote": "c"'), "is no vote"),
    ],
)
def test_what_is_no_votes_is_said_in_a_line(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.json").write_text(text)
    status, error = run_here(capsys, "judge", "--result", tmp_path / "x.json")
    assert status == 2 and error.count("\n") == 1 and said in error


def test_methods_that_were_never_compared_are_named() -> None:
    votes = [Vote("j", "0", "a", "b", 1.0), Vote("j", "0", "c", "d", 1.0)]
    with pytest.raises(ValueError, match=r"no vote compares .*: a, b \| c, d; judge a page"):
        figures(votes)
