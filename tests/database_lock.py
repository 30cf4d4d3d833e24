"""A process that locks the warehouse database."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SCRIPT = """
import sys, time, duckdb
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
time.sleep(float(sys.argv[2]))
"""


@contextmanager
def hold_database(database: Path, seconds: float = 600) -> Iterator[int]:
    """Open the database in another process for some seconds, at most until the block ends; yield the process id."""
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(database), str(seconds)], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        try:
            yield holder.pid
        finally:
            holder.kill()
