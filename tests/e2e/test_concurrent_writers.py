"""Two processes that write the warehouse at the same time: one waits, both finish, and nothing is lost."""

import subprocess
import sys
from pathlib import Path

import pytest

from models_ml.config import TrainConfig
from orchestration.dbt_runner import PROJECT_DIR, build_dbt_environment, find_dbt_executable
from orchestration.pipeline import PipelineListener, run_pipeline
from tests.e2e.pending_days_shop import PendingDaysShop, find_differences_between
from warehouse.settings import Settings

HOLD_SCRIPT = """
import sys
from warehouse.database import open_writer
from warehouse.settings import Settings
with open_writer(Settings()):
    print("holding", flush=True)
    sys.stdin.readline()
"""


def create_patient_settings(shop: Settings) -> Settings:
    """The shop with whoever comes second waiting for as long as a busy machine may take."""
    return Settings(warehouse=shop.warehouse, settle_seconds=0, wait_seconds=300)


def start_process(settings: Settings, *command: str, folder: Path | None = None) -> subprocess.Popen[str]:
    """A process that works on the warehouse; what it says on both channels comes out of one."""
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
    """A command that works on the warehouse."""
    return start_process(settings, str(Path(sys.executable).with_name("recomart")), command)


def start_dbt_build(settings: Settings) -> subprocess.Popen[str]:
    """What an analyst types."""
    return start_process(settings, find_dbt_executable(), "build", "--exclude", "source:ml+", folder=PROJECT_DIR)


def wait_for_text(process: subprocess.Popen[str], text: str) -> None:
    """Read what a process says up to a line with these words."""
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if text in line:
            return
    raise AssertionError("".join(said))


def read_remaining_output(process: subprocess.Popen[str]) -> str:
    """What a process said since; it must succeed."""
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return said


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), [("run", "run"), ("run", "load"), ("dbt build", "load")])
def test_second_writer_waits(
    pending_days_shop: PendingDaysShop, first: str, second: str, tmp_path: Path
) -> None:
    shop = create_patient_settings(pending_days_shop.copy_before(tmp_path / "shop"))
    if first == "run":
        began, has_it = start_recomart(shop, first), "done load"
    else:
        began, has_it = start_dbt_build(shop), "1 of "
    wait_for_text(began, has_it)
    came_second = start_recomart(shop, second)
    waited = read_remaining_output(came_second)
    # Between two steps of a run nobody holds it.
    assert first == "run" or "waiting up to 300 s" in waited
    read_remaining_output(began)
    run_pipeline(shop, TrainConfig(), PipelineListener())
    assert find_differences_between(pending_days_shop.undisturbed, shop) == {}


@pytest.mark.slow
def test_dbt_waits_for_load(pending_days_shop: PendingDaysShop, tmp_path: Path) -> None:
    shop = pending_days_shop.copy_before(tmp_path / "shop")
    holder = start_process(shop, sys.executable, "-c", HOLD_SCRIPT)
    wait_for_text(holder, "holding")
    build = start_dbt_build(shop)
    with pytest.raises(subprocess.TimeoutExpired):
        build.wait(timeout=15)
    holder.communicate("\n")
    assert "Completed" in read_remaining_output(build)
