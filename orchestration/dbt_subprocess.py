"""dbt, as a process that ends with the one that started it: a run that is killed leaves nobody in the warehouse.

Its arguments are the first line of its input, a JSON list, so that it can be started before they are needed: what dbt
imports takes longer than many a step of a run.
"""

import json
import os
import sys
import threading

# dbt imports the adapter once it knows the profile, and DuckDB pandas for the first value that is handed to it.
import dbt.adapters.duckdb  # noqa: F401
import pandas  # noqa: F401
from dbt.cli.main import cli


def _exit_with_parent() -> None:
    # A pipe is at its end when nobody can write to it any more, however that process ended. What dbt was at the next
    # build makes good, so there is nothing to tidy up.
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    told = sys.stdin.readline()
    if not told:
        sys.exit("nobody said what to do")
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    # dbt keeps in its artifacts what it was told.
    sys.argv[1:] = json.loads(told)
    sys.exit(cli())
