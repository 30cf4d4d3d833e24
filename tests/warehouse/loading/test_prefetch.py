"""The next piece is read while the last is worked on."""

import threading
from collections.abc import Iterator

import pytest

from warehouse.loading.prefetch import read_ahead


def test_the_next_item_is_made_while_the_last_is_in_use() -> None:
    made = [threading.Event() for _ in range(3)]

    def items() -> Iterator[int]:
        for number, event in enumerate(made):
            event.set()
            yield number

    for number in read_ahead(items()):
        assert made[min(number + 1, 2)].wait(timeout=10)


def test_items_come_in_order_and_an_error_in_its_turn() -> None:
    def items() -> Iterator[int]:
        yield from range(3)
        raise ValueError("broken")

    found: list[int] = []
    with pytest.raises(ValueError, match="broken"):
        found.extend(read_ahead(items()))
    assert found == [0, 1, 2]


def test_who_stops_early_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    reading = read_ahead(iter(range(100)))
    assert next(reading) == 0
    reading.close()
    assert threading.active_count() == before
