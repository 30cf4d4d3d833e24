"""Prefetching of an iterator's next item."""

import threading
from collections.abc import Iterator

import pytest

from warehouse.loading.prefetch import read_ahead


def test_read_ahead_computes_next_item() -> None:
    is_computed = [threading.Event() for _ in range(3)]

    def compute_items() -> Iterator[int]:
        for number, event in enumerate(is_computed):
            event.set()
            yield number

    for number in read_ahead(compute_items()):
        assert is_computed[min(number + 1, 2)].wait(timeout=10)


def test_read_ahead_keeps_order_and_errors() -> None:
    def compute_items() -> Iterator[int]:
        yield from range(3)
        raise ValueError("broken")

    items: list[int] = []
    with pytest.raises(ValueError, match="broken"):
        items.extend(read_ahead(compute_items()))
    assert items == [0, 1, 2]


def test_read_ahead_close_ends_thread() -> None:
    thread_count = threading.active_count()
    items = read_ahead(iter(range(100)))
    assert next(items) == 0
    items.close()
    assert threading.active_count() == thread_count
