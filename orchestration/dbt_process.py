"""dbt, as a process that ends with the one that started it: a run that is killed leaves nobody in the warehouse."""

import os
import sys
import threading

from dbt.cli.main import cli


def _end_with_whoever_holds_the_other_end() -> None:
    # A pipe is at its end when nobody can write to it any more, however that process ended. What dbt was at the next
    # build makes good, so there is nothing to tidy up.
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with_whoever_holds_the_other_end, daemon=True).start()
    sys.exit(cli())
