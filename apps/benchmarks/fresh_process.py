"""Runs a function in a new process, so that its peak memory and threads can be measured separately."""

import multiprocessing
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import ParamSpec, TypeVar

from warehouse.errors import RecomartError

P = ParamSpec("P")
T = TypeVar("T")


def run_in_fresh_process(function: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> T:
    """Run the function in a new process and return its result; its errors are raised again.

    Raises:
        RecomartError: The process was killed.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(function, *arguments, **keywords).result()
        except BrokenProcessPool as error:
            raise RecomartError(
                f"benchmark failed: {function.__name__}: the process was killed, probably because memory ran out"
            ) from error


def log_progress(message: str) -> None:
    """Write a progress message of a function in a new process to standard error."""
    sys.stderr.write(message + "\n")
