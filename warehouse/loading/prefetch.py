"""Prefetching: a thread computes the next item of an iterator while the caller uses the current one."""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def read_ahead(items: Iterator[T]) -> Generator[T, None, None]:
    """Yield the items in order; another thread computes each item while the caller uses the one before.

    An error of the iterator is raised at the item where it occurs. Only one thread at a time uses the iterator.
    """
    with ThreadPoolExecutor(max_workers=1) as executor:
        future = executor.submit(_read_next, items)
        while item := future.result():
            future = executor.submit(_read_next, items)
            yield item[0]


def _read_next(items: Iterator[T]) -> tuple[T] | None:
    for item in items:
        return (item,)
    return None
