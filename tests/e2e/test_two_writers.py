"""Two processes that write the warehouse at the same time: one waits, both finish, and nothing is lost."""

import subprocess
import sys
from pathlib import Path

import pytest

from models_ml.config import TrainConfig
from orchestration.dbt_runner import PROJECT_DIR, dbt_environment, dbt_executable
from orchestration.pipeline import PipelineListener, run_pipeline
from tests.e2e.two_days_later import TwoDaysLater, what_differs
from warehouse.settings import Settings

HOLD = """
import sys
from warehouse.database import writer
from warehouse.settings import Settings
with writer(Settings()):
    print("holding", flush=True)
    sys.stdin.readline()
"""


def patient(shop: Settings) -> Settings:
    """The shop with whoever comes second waiting for as long as a busy machine may take."""
    return Settings(warehouse=shop.warehouse, settle_seconds=0, wait_seconds=300)


def start(settings: Settings, *command: str, folder: Path | None = None) -> subprocess.Popen[str]:
    """A process that works on the warehouse; what it says on both channels comes out of one."""
    return subprocess.Popen(
        command,
        cwd=folder,
        env=settings.environment() | dbt_environment(settings),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def recomart(settings: Settings, command: str) -> subprocess.Popen[str]:
    """A command that works on the warehouse."""
    return start(settings, str(Path(sys.executable).with_name("recomart")), command)


def dbt_build(settings: Settings) -> subprocess.Popen[str]:
    """What an analyst types."""
    return start(settings, dbt_executable(), "build", "--exclude", "source:ml+", folder=PROJECT_DIR)


def wait_for(process: subprocess.Popen[str], words: str) -> None:
    """Read what a process says up to a line with these words."""
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if words in line:
            return
    raise AssertionError("".join(said))


def said_to_the_end(process: subprocess.Popen[str]) -> str:
    """What a process said since; it must succeed."""
    said, _ = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return said


@pytest.mark.slow
@pytest.mark.parametrize(("first", "second"), [("run", "run"), ("run", "load"), ("dbt build", "load")])
def test_who_comes_second_waits_and_nothing_is_lost(
    two_days_later: TwoDaysLater, first: str, second: str, tmp_path: Path
) -> None:
    shop = patient(two_days_later.copy(tmp_path / "shop"))
    if first == "run":
        began, has_it = recomart(shop, first), "done load"
    else:
        began, has_it = dbt_build(shop), "1 of "
    wait_for(began, has_it)
    came_second = recomart(shop, second)
    waited = said_to_the_end(came_second)
    # Between two steps of a run nobody holds it.
    assert first == "run" or "waiting up to 300 s" in waited
    said_to_the_end(began)
    run_pipeline(shop, TrainConfig(), PipelineListener())
    assert what_differs(two_days_later.calm, shop) == {}


@pytest.mark.slow
def test_dbt_waits_for_a_load(two_days_later: TwoDaysLater, tmp_path: Path) -> None:
    shop = two_days_later.copy(tmp_path / "shop")
    holder = start(shop, sys.executable, "-c", HOLD)
    wait_for(holder, "holding")
    build = dbt_build(shop)
    with pytest.raises(subprocess.TimeoutExpired):
        build.wait(timeout=15)
    holder.communicate("\n")
    assert "Completed" in said_to_the_end(build)
