"""The help pages of the command line."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from apps.cli.bench import BENCHMARKS
from apps.cli.commands import COMMANDS, app

SLOW_PACKAGES = {"torch", "dlt", "matplotlib", "dagster", "dbt", "streamlit", "duckdb", "pandas"}

PATHS_AND_SUMMARIES = [
    *(((name,), entry.summary) for name, entry in COMMANDS.items()),
    *((("bench", name), entry.summary) for name, entry in BENCHMARKS.items()),
]


def test_help_imports_no_slow_package() -> None:
    script = """
import sys
from apps.cli.commands import app
try:
    app(["--help"])
finally:
    print("imported:", *{name.partition(".")[0] for name in sys.modules})
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    imported = set(run.stdout.rpartition("imported:")[2].split())
    assert "typer" in imported
    assert imported & SLOW_PACKAGES == set()


@pytest.mark.parametrize(
    ("path", "summary"), PATHS_AND_SUMMARIES, ids=[" ".join(path) for path, _ in PATHS_AND_SUMMARIES]
)
def test_help_of_every_command(path: tuple[str, ...], summary: str) -> None:
    """The help page of a command begins with its summary in the table of commands, and shows it once."""
    result = CliRunner(env={"COLUMNS": "200"}).invoke(app, [*path, "--help"])
    assert result.exit_code == 0, result.output
    usage, description, *_ = [line.strip() for line in result.output.splitlines() if line.strip()]
    assert usage.startswith("Usage:")
    assert description == summary
    assert result.output.count(summary) == 1
    assert "<bool>" not in result.output


def test_unknown_command_is_an_error() -> None:
    result = CliRunner().invoke(app, ["recomend"])
    assert result.exit_code == 2
    assert "No such command 'recomend'" in result.output
