"""Independent pieces of work on the CPU, one core each."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def on_one_core_each(work: Callable[[Piece], Result], pieces: Iterable[Piece]) -> list[Result]:
    """Return what `work` makes of each piece, in their order; as many at once as torch has threads.

    Torch's own threads share one operation and wait for each other at its end, which on a small piece, or beside
    other work on the same cores, takes longer than the operation. Results do not depend on the number of threads.
    """
    threads = torch.get_num_threads()
    try:
        # The number of threads is each thread's own, but those that begin later take the last one that was set.
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(work, pieces))
    finally:
        torch.set_num_threads(threads)
