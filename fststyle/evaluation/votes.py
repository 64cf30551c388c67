"""What people found better: their votes, and how good the methods are by these."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from fststyle.evaluation.bradley_terry import Comparisons, Strengths, fit, parts
from fststyle.utils.failures import Failures, open_all
from fststyle.utils.files import check_file

KIND = "fststyle votes"
"""What such a file calls itself; judge.html writes it."""
POINTS = {"a": 1.0, "equal": 0.5, "b": 0.0}
ELO = 400 / math.log(10)
"""Of a score of 1: chess players' scale, on which 400 more win ten times as often as they lose."""


class Vote(NamedTuple):
    """A comparison: who judged it, the photo's place, who made A and B, and A's share."""

    judge: str
    place: str
    first: str
    second: str
    won: float


def read_votes(files: Sequence[Path], failures: Failures) -> list[Vote]:
    """The votes in the files, each once: a file that was saved later holds those before, too.

    Raises ValueError or FileNotFoundError where no file can be read; of single ones ``failures``
    has the reasons.
    """
    votes: dict[tuple[str, str, int], Vote] = {}
    for saved in sorted(open_all(files, _read, failures), key=lambda saved: saved["saved"]):
        for vote in saved["votes"]:
            key = saved["page"], saved["judge"], vote["pair"]
            places = vote["picture"], vote["a"], vote["b"]
            votes[key] = Vote(saved["judge"], *places, POINTS[vote["vote"]])
    if not votes:
        raise ValueError("there are no votes in it: nothing was judged yet")
    return list(votes.values())


FIELDS = {"page": str, "judge": str, "saved": str, "votes": list}
VOTE_FIELDS = {"pair": int, "picture": str, "a": str, "b": str, "vote": str}


def _read(file: Path) -> dict[str, Any]:
    check_file(file)
    try:
        saved = json.loads(file.read_text("utf-8"))
    except ValueError:
        saved = None
    if not (_holds(saved, FIELDS) and saved.get("kind") == KIND):
        raise ValueError(f"{file}: no votes: give files that pages of fststyle judge saved")
    for vote in saved["votes"]:
        if not _holds(vote, VOTE_FIELDS) or vote["vote"] not in POINTS or vote["a"] == vote["b"]:
            raise ValueError(f"{file}: {vote!r:.80} is no vote; was the file changed?")
    return dict(saved)


def _holds(values: object, fields: Mapping[str, type]) -> bool:
    return isinstance(values, dict) and all(
        isinstance(values.get(name), kind) for name, kind in fields.items()
    )


def figures(votes: Sequence[Vote]) -> dict[str, Any]:
    """Scores of the methods, the best first, with what every two of them won against each other.

    Raises ValueError where some methods were never compared with the others.
    """
    names = sorted({name for vote in votes for name in (vote.first, vote.second)})
    numbers = {name: number for number, name in enumerate(names)}
    comparisons = Comparisons(
        np.array([numbers[vote.first] for vote in votes]),
        np.array([numbers[vote.second] for vote in votes]),
        np.array([vote.won for vote in votes]),
    )
    linked = parts(comparisons.points(len(names)))
    if len(linked) > 1:
        groups = " | ".join(", ".join(names[method] for method in part) for part in linked)
        raise ValueError(
            f"no vote compares these with each other: {groups}; judge a page of all of them, with"
            " more --pairs"
        )
    by_judge, by_picture = (np.array(column) for column in ([*zip(*votes, strict=True)][:2]))
    strengths = fit(comparisons, len(names), [by_judge, by_picture])
    order = sorted(names, key=lambda name: -strengths.scores[numbers[name]])
    decided = [vote for vote in votes if vote.won != POINTS["equal"]]
    return {
        "votes": len(votes),
        "judges": len(set(by_judge)),
        "pictures": len(set(by_picture)),
        "a_share": float(np.mean([vote.won for vote in decided])) if decided else None,
        "methods": {
            name: _tally(votes, name) | _scaled("score", strengths.score(numbers[name]))
            for name in order
        },
        "pairs": [
            {"method": name, "other": other, **_tally(votes, name, other)}
            | _scaled("difference", strengths.difference(numbers[name], numbers[other]))
            | _expected(strengths, numbers[name], numbers[other])
            for place, name in enumerate(order)
            for other in order[place + 1 :]
        ],
        "folders": _by_folder(votes, order),
    }


def _scaled(name: str, values: tuple[float, float, float]) -> dict[str, Any]:
    value, low, high = (ELO * value for value in values)
    return {name: value, "interval": [low, high]}


def _expected(strengths: Strengths, method: int, other: int) -> dict[str, Any]:
    """The win rate that the scores give."""
    rate, *interval = (1 / (1 + math.exp(-d)) for d in strengths.difference(method, other))
    return {"expected": rate, "expected_interval": interval}


def _tally(votes: Sequence[Vote], method: str, other: str | None = None) -> dict[str, Any]:
    """What ``method`` won, of those against ``other`` where that is given."""
    points = [
        vote.won if vote.first == method else 1 - vote.won
        for vote in votes
        if method in (two := (vote.first, vote.second)) and (other is None or other in two)
    ]
    won, equal, lost = (points.count(value) for value in (1.0, 0.5, 0.0))
    rate = sum(points) / len(points) if points else None
    return {"votes": len(points), "won": won, "equal": equal, "lost": lost, "win_rate": rate}


def _by_folder(votes: Sequence[Vote], order: Sequence[str]) -> list[dict[str, Any]]:
    """Every method's rate in each folder of pictures, such as a painting's, where there are
    several."""
    folders: dict[str, list[Vote]] = {}
    for vote in votes:
        folders.setdefault(PurePosixPath(vote.place).parent.as_posix(), []).append(vote)
    if len(folders) < 2:
        return []
    return [
        {"folder": folder, "method": method, **_tally(inside, method)}
        for folder, inside in sorted(folders.items())
        for method in order
    ]


def tables(found: Mapping[str, Any]) -> str:
    """What ``figures`` found, as sentences and Markdown."""
    share = found["a_share"]
    side = f"; A was preferred in {share:.0%} of those not equal" if share is not None else ""
    lines = [
        f"{found['votes']} votes of {found['judges']} judge(s) on {found['pictures']} picture(s)"
        f"{side}",
        "",
        "| method | score [95 % interval] | votes | won | equal | lost | win rate |",
        "|---" * 7 + "|",
    ]
    for name, method in found["methods"].items():
        score = "{:+.0f} [{:+.0f}, {:+.0f}]".format(method["score"], *method["interval"])
        lines.append(f"| {name} | {score} | {_cells(method)} |")
    lines += [
        "",
        "| method against another | votes | won | equal | lost | win rate"
        " | by the scores [95 % interval] |",
        "|---" * 7 + "|",
    ]
    for pair in found["pairs"]:
        model = "{:.0%} [{:.0%}, {:.0%}]".format(pair["expected"], *pair["expected_interval"])
        lines.append(f"| {pair['method']} : {pair['other']} | {_cells(pair)} | {model} |")
    if found["folders"]:
        lines += ["", "| pictures in | method | votes | won | equal | lost | win rate |"]
        lines += ["|---" * 7 + "|"]
        for row in found["folders"]:
            lines.append(f"| {row['folder']} | {row['method']} | {_cells(row)} |")
    lines += [
        "",
        "The scores' scale is Elo's: 0 is the mean of the methods; who has 100 more wins 64 %."
        " An equal vote is half a win for each.",
    ]
    return "\n".join(lines)


def _cells(tally: Mapping[str, Any]) -> str:
    rate = "–" if tally["win_rate"] is None else f"{tally['win_rate']:.0%}"
    return " | ".join([*(str(tally[name]) for name in ("votes", "won", "equal", "lost")), rate])
