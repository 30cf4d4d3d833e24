"""A publication is killed at each line of its code: no list is logged twice, and no file has a part of the lists."""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from warehouse.settings import PROJECT_ROOT, Settings

# Each attempt is a child of a process that has no threads yet, because a start of Python takes longer than a
# publication.
SCRIPT = """
import json, os, signal, sys, threading
import duckdb
from pathlib import Path
from warehouse.database import open_writer
from warehouse.publishing import list_log, publisher
from warehouse.publishing.live_copy import read_pointer
from warehouse.settings import Settings

settings = Settings(warehouse=Path(sys.argv[1]), threads=1)
CODE_FILES = {list_log.__file__, publisher.__file__}


def run_child(action):
    process_id = os.fork()
    if process_id == 0:
        action()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(process_id, 0)[1])


def write_lists(version):
    with open_writer(settings) as connection:
        connection.execute("create schema if not exists marts")
        connection.execute(
            "create or replace table marts.rec_top_n as "
            f"select 'u' || range as user_id, 'run' as run_id, 1 as rank, 'p' || (range * {version} % 7) as product_id "
            "from range(20)"
        )


def publish_until(line_number):
    count = 0

    def trace(frame, event, argument):
        nonlocal count
        # The lines of a loop over the files of the log become more with each publication.
        if frame.f_code.co_filename not in CODE_FILES or frame.f_code.co_name == "<genexpr>":
            return None
        if event == "line":
            count += 1
            if count == line_number:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    sys.settrace(trace)
    publisher.publish(settings, ["rec_top_n"])


def repair():
    publisher.log_live_lists(settings)


def print_state():
    files = sorted(map(str, settings.published_lists_dir.iterdir()))
    assert all(file.endswith(".parquet") for file in files), files
    with duckdb.connect(config={"threads": 1}) as connection:
        log = connection.execute(
            "select user_id, publication, product_ids from read_parquet(?) order by publication, user_id", [files]
        ).fetchall()
        copy = settings.serving_dir / read_pointer(settings).file
        connection.execute(f"attach '{copy}' as live (read_only)")
        live = connection.execute("select user_id, product_id from live.rec_top_n order by user_id").fetchall()
    print(json.dumps({"log": log, "live": live}), flush=True)


line_number, version = 1, 1
while True:
    assert run_child(lambda: write_lists(version)) == 0
    exit_code = run_child(lambda: publish_until(line_number))
    # Half of the killed publications are repaired by a load, the others by the next publication.
    if line_number % 2:
        assert run_child(repair) == 0
        if settings.published_lists_dir.exists():
            assert run_child(print_state) == 0
    if exit_code == 0:
        break
    assert exit_code == -signal.SIGKILL
    line_number += int(sys.argv[2])
    version += 1
assert run_child(repair) == 0
assert run_child(print_state) == 0
print(json.dumps({"kills": line_number}), flush=True)
"""


def find_list_changes(state: dict[str, list[list[str]]]) -> dict[str, list[list[str]]]:
    """Return the logged lists of each customer, in the order of the publications."""
    changes: dict[str, list[list[str]]] = {}
    for user, _, products in state["log"]:
        changes.setdefault(user, []).append(list(products))
    return changes


@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.slow), 29])
def test_killed_publications_log_lists_once(tmp_path: Path, step: int) -> None:
    settings = Settings(warehouse=tmp_path)
    settings.landing_dir.mkdir()
    process = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path), str(step)],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    *states, summary = map(json.loads, process.stdout.splitlines())
    assert summary["kills"] > 60
    for state in states:
        keys = [(user, publication) for user, publication, _ in state["log"]]
        assert len(keys) == len(set(keys))
        changes = find_list_changes(state)
        # After a repair, the last logged list is the live one, and each list differs from the one before.
        assert {user: lists[-1] for user, lists in changes.items()} == {
            user: [product] for user, product in state["live"]
        }
        for lists in changes.values():
            assert all(earlier != later for earlier, later in pairwise(lists))
