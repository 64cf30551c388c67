from collections import Counter
from random import Random

import pytest

from fststyle.evaluation.pairs import Pair, all_pairs, choose, shuffled

PLACES = [f"photo{number}" for number in range(9)]


def test_every_two_methods_of_each_photo() -> None:
    assert all_pairs({"a": [0, 2], "b": [1], "c": [0, 1, 2]}) == [
        *(Pair("a", 0, 2), Pair("c", 0, 1), Pair("c", 0, 2), Pair("c", 1, 2)),
    ]


@pytest.mark.parametrize("count", [5, 18, 40, 100])
def test_chosen_pairs_are_balanced(count: int) -> None:
    pairs = all_pairs(dict.fromkeys(PLACES, range(4)))  # 54
    chosen = choose(pairs, count, Random(0))
    assert len(set(chosen)) == len(chosen) == min(count, len(pairs))
    methods = Counter(method for pair in chosen for method in (pair.first, pair.second))
    two = Counter({(a, b): 0 for a in range(4) for b in range(a)})
    two.update((pair.second, pair.first) for pair in chosen)
    photos = Counter(dict.fromkeys(PLACES, 0))
    photos.update(pair.place for pair in chosen)
    for used, spread in ((methods, 1), (two, 1), (photos, 2)):
        assert max(used.values()) - min(used.values()) <= spread


def test_sides_are_balanced_and_all_of_it_is_the_seeds() -> None:
    pairs = all_pairs(dict.fromkeys(PLACES, range(3)))
    placed = shuffled(pairs, Random(3))
    assert {Pair(p.place, *sorted((p.first, p.second))) for p in placed} == set(pairs)
    sides = Counter((pair.first, pair.second) for pair in placed)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert abs(sides[first, second] - sides[second, first]) == 1  # of nine
    assert placed == shuffled(pairs, Random(3)) != shuffled(pairs, Random(4))
    assert [p.place for p in placed] != [p.place for p in pairs]
    turns = [p.first < p.second for p in placed if {p.first, p.second} == {0, 1}]
    assert turns not in ([True, False] * 4 + [True], [False, True] * 4 + [False])
