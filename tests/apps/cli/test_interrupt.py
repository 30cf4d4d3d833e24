"""Ctrl-C ends a command with status 130 and without output."""

import signal
import subprocess
import sys

import pytest

INTERRUPT_SCRIPT = """
import signal, time, duckdb, typer
from apps.cli import entry_point

app = typer.Typer()
entry_point.app = app

# A process started in the background ignores SIGINT by default.
signal.signal(signal.SIGINT, signal.default_int_handler)

@app.command()
def sleep():
    print("started", flush=True)
    time.sleep(600)

@app.command()
def query():
    print("started", flush=True)
    duckdb.sql("select sum(a.range * b.range) from range(100_000_000) a, range(100_000_000) b").fetchall()

entry_point.main()
"""


@pytest.mark.parametrize("command_name", ["sleep", "query"])
def test_ctrl_c_exits_silently(command_name: str) -> None:
    command = [sys.executable, "-c", INTERRUPT_SCRIPT, command_name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"started\n"
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=60) == (b"", b"")
            assert process.returncode == 130
        finally:
            process.kill()
