"""Two processes write the warehouse at the same time: one waits, both finish, and no row is lost."""

import subprocess
import sys
from pathlib import Path

import pytest

from models_ml.config import TrainConfig
from orchestration.dbt_runner import PROJECT_DIR, build_dbt_environment, find_dbt_executable
from orchestration.pipeline import run_pipeline
from orchestration.progress import PipelineListener
from tests.e2e.pending_days_shop import PendingDaysShop, count_differences_between
from warehouse.settings import Settings

HOLD_SCRIPT = """
import sys
from warehouse.database import open_writer
from warehouse.settings import Settings
with open_writer(Settings()):
    print("holding", flush=True)
    sys.stdin.readline()
"""


def create_long_wait_settings(settings: Settings) -> Settings:
    """Return settings with a wait time that is long enough for a busy machine."""
    return Settings(warehouse=settings.warehouse, settle_seconds=0, wait_seconds=300)


def start_process(settings: Settings, *command: str, folder: Path | None = None) -> subprocess.Popen[str]:
    """Start a process in the warehouse's environment; its output includes its errors."""
    return subprocess.Popen(
        command,
        cwd=folder,
        env=settings.build_environment() | build_dbt_environment(settings),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def start_recomart(settings: Settings, command: str) -> subprocess.Popen[str]:
    """Start a `recomart` command on the warehouse."""
    return start_process(settings, str(Path(sys.executable).with_name("recomart")), command)


def start_dbt_build(settings: Settings) -> subprocess.Popen[str]:
    """Start the `dbt build` that an analyst runs."""
    return start_process(settings, find_dbt_executable(), "build", "--exclude", "source:ml+", folder=PROJECT_DIR)


def wait_for_text(process: subprocess.Popen[str], text: str) -> None:
    """Read the output of a process up to a line with the text."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return
    raise AssertionError("".join(lines))


def read_remaining_output(process: subprocess.Popen[str]) -> str:
    """Return the rest of a process's output; the process must succeed."""
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return output


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), [("run", "run"), ("run", "load"), ("dbt build", "load")])
def test_second_writer_waits(pending_days_shop: PendingDaysShop, first: str, second: str, tmp_path: Path) -> None:
    settings = create_long_wait_settings(pending_days_shop.copy_pending(tmp_path / "shop"))
    if first == "run":
        first_process, progress_text = start_recomart(settings, first), "done load"
    else:
        first_process, progress_text = start_dbt_build(settings), "1 of "
    wait_for_text(first_process, progress_text)
    output = read_remaining_output(start_recomart(settings, second))
    # A run releases the warehouse between two steps: the second process may not have to wait.
    assert first == "run" or "waiting up to 300 s" in output
    read_remaining_output(first_process)
    run_pipeline(settings, TrainConfig(), PipelineListener())
    assert count_differences_between(pending_days_shop.undisturbed_settings, settings) == {}


@pytest.mark.slow
def test_dbt_waits_for_load(pending_days_shop: PendingDaysShop, tmp_path: Path) -> None:
    settings = pending_days_shop.copy_pending(tmp_path / "shop")
    writer = start_process(settings, sys.executable, "-c", HOLD_SCRIPT)
    wait_for_text(writer, "holding")
    build = start_dbt_build(settings)
    with pytest.raises(subprocess.TimeoutExpired):
        build.wait(timeout=15)
    writer.communicate("\n")
    assert "Completed" in read_remaining_output(build)
