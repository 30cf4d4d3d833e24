"""A service is killed at each line of the code of its log: no answer is logged twice or half."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from warehouse.settings import PROJECT_ROOT, Settings

# Each attempt is a child of a process that has no threads yet, because a start of Python takes longer than an attempt.
SCRIPT = """
import os, signal, sys, threading, time
from datetime import UTC, datetime
from pathlib import Path
from apps.service import served_list_log
from apps.service.served_list_log import ServedList, ServedListLog
from warehouse.settings import Settings

settings = Settings(warehouse=Path(sys.argv[1]))
served_list_log.WRITE_INTERVAL_SECONDS = 0.001
served_list_log.MAX_FILE_BYTES = 500


def run_child(action):
    process_id = os.fork()
    if process_id == 0:
        action()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(process_id, 0)[1])


def serve_until(line_number):
    count = 0

    def trace(frame, event, argument):
        nonlocal count
        if frame.f_code.co_filename != served_list_log.__file__:
            return None
        if event == "line":
            count += 1
            if count == line_number:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    threading.settrace(trace)
    log = ServedListLog(settings)
    log.start()
    for number in range(9):
        id = f"{line_number}-{number}"
        log.append(ServedList(id, datetime.now(UTC), "u", None, "customer", None, None, None, ["p"], False))
        time.sleep(0.002)
    log.stop()


line_number = 1
# The number of lines until the end depends on the speed of the machine.
while line_number < 600 and run_child(lambda: serve_until(line_number)) == -signal.SIGKILL:
    line_number += int(sys.argv[2])
assert run_child(lambda: serve_until(0)) == 0
print(line_number)
"""


@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.slow), 7])
def test_killed_services_log_answers_once(tmp_path: Path, step: int) -> None:
    """The last attempt, which is not killed, completes the files of all attempts."""
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
    assert int(process.stdout) > 100
    files = sorted(settings.served_lists_dir.iterdir())
    assert {file.suffix for file in files} == {".jsonl"}
    assert all(file.read_bytes().endswith(b"\n") for file in files)
    ids = [json.loads(line)["recommendation_id"] for file in files for line in file.read_text().splitlines()]
    assert len(ids) == len(set(ids))
    assert [name for name in sorted(ids) if name.startswith("0-")] == [f"0-{number}" for number in range(9)]
