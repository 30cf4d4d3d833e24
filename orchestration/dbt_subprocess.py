"""Run dbt in a process that ends with its parent: a killed run leaves no dbt that keeps the warehouse locked.

The process reads dbt's arguments as a JSON list from the first line of its input. So it can be started ahead: dbt's
imports take longer than many steps of a run.
"""

import gc
import json
import os
import sys
import threading

# Imported ahead of time: dbt imports the adapter only when it has read the profile, and DuckDB imports pandas only when
# it receives its first value.
import dbt.adapters.duckdb  # noqa: F401
import pandas  # noqa: F401
from dbt.cli.main import cli


def _exit_with_parent() -> None:
    # The input ends when the parent process has ended or was killed. No cleanup: the next build repairs the tables.
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    arguments_line = sys.stdin.readline()
    if not arguments_line:
        sys.exit("dbt did not run: the parent process ended before it sent the arguments")
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    # dbt keeps most of its objects until it ends. Looking for unused ones less often saves 6 % of a build's processor
    # time, for 10 MB of memory.
    gc.set_threshold(100_000, 50, 50)
    # dbt records sys.argv in its artifacts.
    sys.argv[1:] = json.loads(arguments_line)
    sys.exit(cli())
