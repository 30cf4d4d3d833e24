"""Processes that ask the published copy without a pause, as the app does, while others publish."""

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
"""Tables that readers look at, and the column of each that says which version it is of."""

READER_SCRIPT = """
import json, random, sys
from pathlib import Path
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings

seed, user, stop = sys.argv[1:]
chance, settings, stop = random.Random(seed), Settings(), Path(stop)
seen, asked, is_last = set(), 0, False
print("reading", flush=True)
while not is_last:
    is_last = stop.exists()
    with ServingCopy(settings) as copy:
        # Some look once and some stay for long, while their copy is pushed out.
        for _ in range(chance.choice([1, 1, 5, 20])):
            (version,) = {
                *copy.get_recommendations(user)["reason"],
                *copy.get_popular_products()["product_name"],
                copy.get_customer(user)["favourite_category"],
            }
            seen.add((copy.published.file, version))
            asked += 1
print(json.dumps({"seen": sorted(seen), "asked": asked}))
"""


class ReaderResult(NamedTuple):
    """What a reader saw."""

    seen_versions: set[tuple[str, str]]
    """Names of copies, with the version that every table was of."""

    query_count: int
    """How many times it asked all tables."""


def write_version(settings: Settings, version: str) -> None:
    """Write into every table that readers look at which version it is of."""
    with open_writer(settings) as connection:
        for table, column in VERSION_COLUMNS.items():
            connection.execute(f"update marts.{table} set {column} = ?", [version])


def publish_version(settings: Settings, version: str) -> PublishedCopy:
    """Publish the tables that readers look at, each with the version in it."""
    write_version(settings, version)
    return publish(settings, list(VERSION_COLUMNS))


@contextmanager
def run_readers(settings: Settings, count: int, user: str, stop: Path) -> Iterator[list[ReaderResult]]:
    """Let so many processes read while the block runs; what they saw is in the list when it has ended.

    They stop when the file `stop` is there, after one more look. A reader that met an error fails the block.
    """
    found: list[ReaderResult] = []
    started = [
        subprocess.Popen(
            [sys.executable, "-c", READER_SCRIPT, str(seed), user, str(stop)],
            env=settings.build_environment() | {"RECOMART_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # They take what is left of the cores, or the writers would wait for theirs.
            preexec_fn=lambda: os.nice(10),
        )
        for seed in range(count)
    ]
    try:
        for reader in started:
            assert reader.stdout is not None
            assert reader.stdout.readline() == "reading\n"
        yield found
        stop.touch()
        for reader in started:
            said, error = reader.communicate(timeout=60)
            assert reader.returncode == 0, error
            told = json.loads(said)
            found.append(ReaderResult({(file, version) for file, version in told["seen"]}, told["asked"]))
    finally:
        for reader in started:
            reader.kill()
