import threading
import time

import pytest

from fststyle.utils.threads import BackgroundWriter, prefetch


def test_items_come_in_order_and_not_too_far_ahead() -> None:
    made: list[int] = []

    def source():  # type: ignore[no-untyped-def]
        for i in range(20):
            made.append(i)
            yield i

    found = []
    for item in prefetch(source(), depth=2):
        time.sleep(0.002)
        assert len(made) <= item + 1 + 2 + 1
        found.append(item)
    assert found == list(range(20))


def test_what_a_source_raises_arrives_after_its_items() -> None:
    def source():  # type: ignore[no-untyped-def]
        yield 1
        raise ValueError("broken")

    items = prefetch(source())
    assert next(items) == 1
    with pytest.raises(ValueError, match="broken"):
        next(items)


def test_left_early_nothing_goes_on() -> None:
    before = threading.active_count()
    items = prefetch(iter(range(10**9)), depth=1)
    assert next(items) == 0
    items.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_all_is_consumed_in_order() -> None:
    found: list[int] = []
    behind = BackgroundWriter(found.append, depth=2)
    for i in range(50):
        behind.put(i)
    behind.close()
    assert found == list(range(50))


def test_what_consuming_raises_arrives() -> None:
    def consume(item: int) -> None:
        raise OSError(f"full at {item}")

    behind = BackgroundWriter(consume, depth=1)
    with pytest.raises(OSError, match="full at 0"):
        for i in range(100):
            behind.put(i)
    with pytest.raises(OSError, match="full at 0"):
        behind.close()
