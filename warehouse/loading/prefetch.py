"""Reads the next while the last is being worked on."""

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def read_ahead(items: Iterator[T]) -> Generator[T, None, None]:
    """The same items in the same order, each made in a thread of its own while the one before it is in use.

    What the iterator raises is raised here, in its turn. No two threads ever use it at a time.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        coming = thread.submit(_next_or_none, items)
        while found := coming.result():
            coming = thread.submit(_next_or_none, items)
            yield found[0]


def _next_or_none(items: Iterator[T]) -> tuple[T] | None:
    for item in items:
        return (item,)
    return None
