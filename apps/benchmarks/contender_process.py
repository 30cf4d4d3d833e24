"""The process of one contender: `python -m apps.benchmarks.contender_process ours` (or another module of `contenders`).

The settings say where the landing files lie and where the tables go. A line of standard output for each step: its name
and its seconds, as a JSON list.
"""

import importlib
import json
import sys
import time

from warehouse.settings import Settings


def main(name: str) -> None:
    """Make the contender's tables."""
    contender = importlib.import_module(f"apps.benchmarks.contenders.{name}")
    started = time.perf_counter()
    for step in contender.run(Settings()):
        ended = time.perf_counter()
        sys.stdout.write(json.dumps([step, ended - started]) + "\n")
        sys.stdout.flush()
        started = ended


if __name__ == "__main__":
    main(sys.argv[1])
