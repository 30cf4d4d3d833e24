"""Ctrl-C ends a command without a word, whatever it is at."""

import signal
import subprocess
import sys

import pytest

INTERRUPT_SCRIPT = """
import signal, time, duckdb, typer
from apps.cli import entry_point

app = typer.Typer()
entry_point.app = app

# Where the tests run in the background, their processes are born deaf to it.
signal.signal(signal.SIGINT, signal.default_int_handler)

@app.command()
def sleep():
    print("at it", flush=True)
    time.sleep(600)

@app.command()
def query():
    print("at it", flush=True)
    duckdb.sql("select sum(a.range * b.range) from range(100_000_000) a, range(100_000_000) b").fetchall()

entry_point.main()
"""


@pytest.mark.parametrize("work", ["sleep", "query"])
def test_ctrl_c_ends_a_command_silently(work: str) -> None:
    command = [sys.executable, "-c", INTERRUPT_SCRIPT, work]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"at it\n"
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=60) == (b"", b"")
            assert process.returncode == 130
        finally:
            process.kill()
