"""Runs a function in a process of its own, so that its peak memory and its threads are its own."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import ParamSpec, TypeVar

from warehouse.errors import RecomartError

P = ParamSpec("P")
T = TypeVar("T")


def run_in_fresh_process(function: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> T:
    """Run it and return what it returns; errors come back as they are, RecomartError when it was killed."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(function, *arguments, **keywords).result()
        except BrokenProcessPool as error:
            raise RecomartError(
                f"{function.__name__} was killed, which is what happens when memory runs out"
            ) from error
