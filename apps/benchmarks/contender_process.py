"""The process of one contender: `python -m apps.benchmarks.contender_process MODULE`, a module of `contenders`.

The settings name the landing folder and the folder for the tables. For each step the process prints a line with a JSON
list of the step's name and seconds.
"""

import importlib
import json
import sys
import time

from warehouse.settings import Settings


def main(name: str) -> None:
    """Run the steps of the contender `name` and print their seconds."""
    contender = importlib.import_module(f"apps.benchmarks.contenders.{name}")
    step_start = time.perf_counter()
    for step in contender.run(Settings()):
        step_end = time.perf_counter()
        sys.stdout.write(json.dumps([step, step_end - step_start]) + "\n")
        sys.stdout.flush()
        step_start = step_end


if __name__ == "__main__":
    main(sys.argv[1])
