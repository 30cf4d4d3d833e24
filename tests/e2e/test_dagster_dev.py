"""A real Dagster starts quietly, starts a run again whose process is gone, and loads again what a backfill names."""

import os
import re
import signal
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import dagster as dg
import pytest

from tests.conftest import SMALL_SHOP
from tests.dagster_dev import DagsterDev, dagster_dev
from warehouse.database import reader
from warehouse.demo.generate import generate
from warehouse.publishing.live_copy import current
from warehouse.settings import Settings

STARTED_AGAIN_SECONDS = 240
"""Noticed at the next look of run monitoring, started again, and let in as soon as the dead run's place is free."""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A demo shop that has landed and gone no further."""
    settings = Settings(warehouse=tmp_path_factory.mktemp("shop"))
    generate(SMALL_SHOP, settings.landing_dir, settings.demo_truth_dir)
    return settings


@pytest.fixture(scope="module")
def dagster(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterDev]:
    """Dagster over the shop; its sensor starts the first run."""
    with dagster_dev(settings, tmp_path_factory.mktemp("dagster")) as dagster:
        yield dagster


def loaded_at(settings: Settings) -> dict[str, datetime]:
    """When each file was loaded."""
    with reader(settings) as connection:
        return dict(connection.execute("select path, loaded_at from raw.loaded_files").fetchall())


def warnings(dagster: DagsterDev) -> list[str]:
    """What it warns of until it has looked at landing, without what Dagster always says."""
    dagster.wait("a look at landing", lambda: any("landing_files" in line for line in dagster.output()), 120)
    lines = [line for line in dagster.output() if re.search("warning", line, re.IGNORECASE)]
    return [line for line in lines if not re.search("SupersessionWarning|No cursor for event type", line)]


@pytest.mark.slow
def test_dagster_dev_starts_with_no_warning_but_dagsters_own(dagster: DagsterDev) -> None:
    assert warnings(dagster) == []


@pytest.mark.slow
def test_a_run_whose_process_is_killed_is_started_again_from_the_step_that_it_was_in(
    dagster: DagsterDev, settings: Settings
) -> None:
    dagster.wait("a run for what has landed", lambda: len(dagster.runs_for_landing()) == 1, 120)
    (killed,) = dagster.runs_for_landing()
    dagster.wait("dbt at work", lambda: "marts" in dagster.steps(killed.run_id, dg.DagsterEventType.STEP_START), 120)
    os.kill(dagster.process(killed.run_id), signal.SIGKILL)
    assert dagster.finished(killed.run_id).status == dg.DagsterRunStatus.FAILURE
    dagster.wait("a second run", lambda: len(dagster.runs_for_landing()) > 1, STARTED_AGAIN_SECONDS)
    again, *_ = dagster.runs_for_landing()
    assert again.parent_run_id == killed.run_id
    assert dagster.finished(again.run_id, STARTED_AGAIN_SECONDS).status == dg.DagsterRunStatus.SUCCESS
    assert dagster.steps(again.run_id, dg.DagsterEventType.STEP_START)[0] == "marts"
    assert current(settings).run_id is not None
    assert len(dagster.runs_for_landing()) == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ({"dates": "2026-01-03..2026-01-04"}, r".*2026-01-0[34].*"),
        ({"files": "clickstream/*2026-01-0[12]*"}, r"clickstream/.*2026-01-0[12].*"),
    ],
)
def test_a_backfill_loads_again_what_it_names_and_nothing_else(
    dagster: DagsterDev, settings: Settings, asked: dict[str, str], meant: str
) -> None:
    before = loaded_at(settings)
    published = current(settings)
    run = dagster.launch("backfill", {"ops": {"raw_tables": {"config": asked}}})
    assert dagster.finished(run).status == dg.DagsterRunStatus.SUCCESS
    after = loaded_at(settings)
    again = {path for path in after if after[path] != before[path]}
    assert again == {path for path in before if re.fullmatch(meant, path)} != set()
    assert current(settings).file != published.file


@pytest.mark.slow
def test_dg_dev_starts_as_quietly(tmp_path: Path) -> None:
    settings = Settings(warehouse=tmp_path / "shop")
    settings.landing_dir.mkdir(parents=True)
    with dagster_dev(settings, tmp_path, command="dg") as dagster:
        assert warnings(dagster) == []
