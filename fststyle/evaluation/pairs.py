"""Which two pictures are shown beside each other, in which order and on which side."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from random import Random
from typing import NamedTuple


class Pair(NamedTuple):
    """Two pictures of one photo: its place, and the numbers of the methods that made A and B."""

    place: str
    first: int
    second: int


def all_pairs(methods: Mapping[str, Sequence[int]]) -> list[Pair]:
    """Every two methods of each photo, of whose place ``methods`` has the numbers of those that
    have a picture of it, rising."""
    return [Pair(place, *two) for place, have in methods.items() for two in combinations(have, 2)]


def choose(pairs: Sequence[Pair], count: int, random: Random) -> list[Pair]:
    """``count`` of the pairs: every two methods as often as others as far as that goes, then each
    method, then each photo."""
    left = random.sample(pairs, len(pairs))
    used = Counter[object]()

    def uses(pair: Pair) -> tuple[int, int, int]:
        both = used[pair.first] + used[pair.second]
        return used[pair.first, pair.second], both, used[pair.place]

    chosen = []
    for _ in range(min(count, len(left))):
        pair = min(left, key=uses)
        left.remove(pair)
        used.update([(pair.first, pair.second), pair.first, pair.second, pair.place])
        chosen.append(pair)
    return chosen


def shuffled(pairs: Sequence[Pair], random: Random) -> list[Pair]:
    """The pairs in random order, random methods as A: of every two methods each half of the times,
    and one of them, by chance, once more where the number is odd."""
    sides: dict[tuple[int, int], bool] = {}
    placed = []
    for pair in random.sample(pairs, len(pairs)):
        two = pair.first, pair.second
        swapped = sides[two] = not sides.get(two, random.random() < 0.5)
        placed.append(Pair(pair.place, *(reversed(two) if swapped else two)))
    # Once more, or of two methods each would be A in turn.
    return random.sample(placed, len(placed))
