"""Run one contender: `python -m apps.benchmarks.contender_process MODULE`.

MODULE is a module of `apps.benchmarks.contenders` with a function `run`. `measurement` starts this process, so that it
measures the time and memory of this contender only, and sets the environment variables RECOMART_* of `Settings`: the
landing folder, and the warehouse folder for the tables. For each step the process prints a line with a JSON list of the
step's name and seconds.
"""

import importlib
import json
import sys
import time

from warehouse.settings import Settings


def main(module_name: str) -> None:
    """Run the steps of the contender and print their seconds."""
    contender = importlib.import_module(f"apps.benchmarks.contenders.{module_name}")
    step_start = time.perf_counter()
    # `run` yields the name of each step when the step has finished.
    for finished_step in contender.run(Settings()):
        step_end = time.perf_counter()
        sys.stdout.write(json.dumps([finished_step, step_end - step_start]) + "\n")
        sys.stdout.flush()
        step_start = step_end


if __name__ == "__main__":
    main(sys.argv[1])
