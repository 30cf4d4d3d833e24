"""Processes that query the published copy continuously, as the app does, while new copies are published."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from warehouse.database import open_writer
from warehouse.publishing.live_copy import PublishedCopy
from warehouse.publishing.publisher import publish
from warehouse.settings import Settings

VERSION_COLUMNS = {"rec_top_n": "reason", "rec_popular_products": "product_name", "dim_users": "favourite_category"}
"""Tables that the readers query, and the column of each that has the version."""

READER_SCRIPT = """
import json, random, sys
from pathlib import Path
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings

seed, user, stop = sys.argv[1:]
rng, settings, stop = random.Random(seed), Settings(), Path(stop)
versions, query_count, is_last = set(), 0, False
print("reading", flush=True)
while not is_last:
    is_last = stop.exists()
    with ServingCopy(settings) as copy:
        # A reader that keeps its copy open for many queries continues while newer copies replace it.
        for _ in range(rng.choice([1, 1, 5, 20])):
            (version,) = {
                *copy.get_recommendations(user)["reason"],
                *copy.get_popular_products()["product_name"],
                copy.get_customer(user)["favourite_category"],
            }
            versions.add((copy.published.file, version))
            query_count += 1
print(json.dumps({"versions": sorted(versions), "query_count": query_count}))
"""


class ReaderResult(NamedTuple):
    """The versions that a reader read."""

    versions: set[tuple[str, str]]
    """Names of copies, with the version of all tables."""

    query_count: int
    """Number of queries of all tables."""


def write_version(settings: Settings, version: str) -> None:
    """Write the version into every table that the readers query."""
    with open_writer(settings) as connection:
        for table, column in VERSION_COLUMNS.items():
            connection.execute(f"update marts.{table} set {column} = ?", [version])


def publish_version(settings: Settings, version: str) -> PublishedCopy:
    """Publish the tables that the readers query, with the version."""
    write_version(settings, version)
    return publish(settings, list(VERSION_COLUMNS))


@contextmanager
def run_readers(settings: Settings, count: int, user: str, stop: Path) -> Iterator[list[ReaderResult]]:
    """Run `count` reader processes during the block; the list has their results after the block.

    A reader stops one query after the file `stop` appears. An error of a reader fails the block.
    """
    results: list[ReaderResult] = []
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READER_SCRIPT, str(seed), user, str(stop)],
            env=settings.build_environment() | {"RECOMART_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # With a lower priority, the readers do not slow down the writers.
            preexec_fn=lambda: os.nice(10),
        )
        for seed in range(count)
    ]
    try:
        for reader in readers:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "reading\n"
        yield results
        stop.touch()
        for reader in readers:
            output, error = reader.communicate(timeout=60)
            assert reader.returncode == 0, error
            result = json.loads(output)
            versions = {(file, version) for file, version in result["versions"]}
            results.append(ReaderResult(versions, result["query_count"]))
    finally:
        for reader in readers:
            reader.kill()
