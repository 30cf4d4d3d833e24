"""Independent pieces of work on the CPU, one core each."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Self, TypeVar

import torch

Piece = TypeVar("Piece")
Result = TypeVar("Result")


class Cores:
    """Within a `with` block: as many pieces at once as torch has threads, and torch's own threads at rest.

    Torch's threads share one operation and wait for each other at its end, which on a small piece, or beside other
    work on the same cores, takes longer than the operation; and they wait for the next one at full speed, on the cores
    that the pieces need: small sweeps took 1.6 times as long. Results do not depend on the number of threads. On a
    device that is no CPU, or outside of the block, pieces are done one after the other.
    """

    def __init__(self, device: torch.device) -> None:
        """Take the `device` that the pieces are on."""
        self.device = device
        self.pool: ThreadPoolExecutor | None = None
        self.threads = 0

    def __enter__(self) -> Self:
        """Take the cores."""
        if self.device.type == "cpu":
            self.threads = torch.get_num_threads()
            # The number of threads is each thread's own, but those that begin later take the last one that was set.
            torch.set_num_threads(1)
            self.pool = ThreadPoolExecutor(self.threads)
        return self

    def __exit__(self, *_: object) -> None:
        """Give them back to torch."""
        if self.pool is not None:
            self.pool.shutdown()
            self.pool = None
            torch.set_num_threads(self.threads)

    def each(self, work: Callable[[Piece], Result], pieces: Iterable[Piece]) -> list[Result]:
        """Return what `work` makes of each piece, in their order."""
        return list(map(work, pieces) if self.pool is None else self.pool.map(work, pieces))
