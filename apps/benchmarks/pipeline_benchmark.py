"""The benchmark of loading and building: contenders side by side, ours in little memory, and one more day."""

import os
import shutil
import time
from collections.abc import Collection, Sequence
from contextlib import closing, suppress
from enum import StrEnum
from importlib.metadata import PackageNotFoundError, version
from platform import python_version

import psutil
from pydantic import BaseModel, ConfigDict

from apps.benchmarks.extra import require
from apps.benchmarks.increments import Increments, measure_increments
from apps.benchmarks.measurement import Measured, measure
from apps.benchmarks.table_equality import Difference, Figures, differences, figures_of, open_tables
from apps.benchmarks.targets import Target
from orchestration.demo_data import generate_demo_shop
from orchestration.pipeline import PipelineListener
from warehouse.demo.config import DemoConfig
from warehouse.demo.generate import DemoSummary
from warehouse.errors import RecomartError
from warehouse.settings import Settings


class Part(StrEnum):
    """A part of the benchmark."""

    OURS = "ours"
    DUCKDB = "duckdb"
    PANDAS = "pandas"
    POLARS = "polars"
    SMALL_MEMORY = "small-memory"
    INCREMENTS = "increments"


CONTENDERS = {
    Part.OURS: "ours",
    Part.DUCKDB: "duckdb_script",
    Part.PANDAS: "pandas_script",
    Part.POLARS: "polars_script",
    Part.SMALL_MEMORY: "ours",
}
"""Parts that make the tables, each with its module of `contenders`."""

SMALL_MEMORY = "1GB"

PURCHASING = 1.45
"""Eagerness of the shop's customers: a purchase line to every ten events."""


class Outcome(BaseModel):
    """What one part took and whether its tables are ours."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    part: Part
    measured: Measured | None
    """None when it failed."""

    failure: str | None = None

    differences: list[Difference] | None = None
    """None when there was nothing to compare with."""


class PipelineBench(BaseModel):
    """All that one run of the benchmark measured."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    machine: dict[str, str | int | float]
    shop: DemoSummary
    memory_limit: str
    outcomes: list[Outcome]
    increments: Increments | None
    targets: list[Target]

    @property
    def is_fair(self) -> bool:
        """Whether everyone got to the end with the same tables."""
        return not any(outcome.failure or outcome.differences for outcome in self.outcomes)


def shop_of(events: int, days: int) -> DemoConfig:
    """A shop of that many events, whose customers and products grow with them as those of shops do."""
    return DemoConfig(
        customers=max(100, events * 6 // 1000),
        products=max(50, events * 2 // 1000),
        days=days,
        events=events,
        eagerness=PURCHASING,
    )


def bench_pipeline(
    settings: Settings, shop: DemoConfig, parts: Collection[Part], listener: PipelineListener
) -> PipelineBench:
    """Run the chosen parts one after the other, in folders of the warehouse folder; the shop is written once and kept.

    Raises:
        RecomartError: Polars was asked for and is not installed, or the folder holds something else.
    """
    if Part.POLARS in parts:
        require("polars", ", --only leaves it out")
    machine = machine_facts()
    settings = settings.model_copy(update={"landing": settings.warehouse / "landing"})
    summary = generate_demo_shop(settings, shop, listener, overwrite=True)
    outcomes: list[Outcome] = []
    ours: Figures | None = None
    for part in CONTENDERS:
        if part in parts:
            own = _own_folder(settings, part)
            outcome = _run(part, own, listener)
            if outcome.measured and part is Part.OURS:
                ours = _figures(own, listener)
            elif outcome.measured and ours is not None:
                outcome = outcome.model_copy(update={"differences": differences(ours, _figures(own, listener))})
            outcomes.append(outcome)
    increments = None
    if Part.INCREMENTS in parts:
        try:
            increments = measure_increments(_own_folder(settings, Part.INCREMENTS), shop, listener)
        except RecomartError as error:
            # What took half an hour to measure before it is kept.
            outcomes.append(Outcome(part=Part.INCREMENTS, measured=None, failure=str(error)))
    return PipelineBench(
        machine=machine,
        shop=summary,
        memory_limit=settings.memory_limit,
        outcomes=outcomes,
        increments=increments,
        targets=check_targets(outcomes, increments),
    )


def _own_folder(settings: Settings, part: Part) -> Settings:
    """Settings of an empty warehouse for this part."""
    warehouse = settings.warehouse / part
    shutil.rmtree(warehouse, ignore_errors=True)
    limit = SMALL_MEMORY if part is Part.SMALL_MEMORY else settings.memory_limit
    return settings.model_copy(update={"warehouse": warehouse, "memory_limit": limit})


def _run(part: Part, own: Settings, listener: PipelineListener) -> Outcome:
    listener.on_step(part)
    started = time.perf_counter()
    try:
        measured = measure(CONTENDERS[part], own, lambda step, seconds: listener.on_stage(f"{step}: {seconds:.1f} s"))
    except RecomartError as error:
        listener.on_step_done(part, f"failed: {error}", time.perf_counter() - started)
        return Outcome(part=part, measured=None, failure=str(error))
    listener.on_step_done(part, describe(measured), measured.seconds)
    return Outcome(part=part, measured=measured)


def _figures(own: Settings, listener: PipelineListener) -> Figures:
    """Of the tables that a contender left, in a DuckDB file or as Parquet files."""
    listener.on_step("comparing")
    with closing(open_tables(own.database if own.database.exists() else own.warehouse)) as tables:
        return figures_of(tables)


def describe(measured: Measured) -> str:
    """One line about what a contender took."""
    steps = ", ".join(f"{step} {seconds:.1f} s" for step, seconds in measured.steps.items())
    return f"{steps}; {measured.together_mib:,} MiB"


def machine_facts() -> dict[str, str | int | float]:
    """What the figures depend on; the load tells whether the machine had other things to do."""
    facts: dict[str, str | int | float] = {
        "cores": os.cpu_count() or 1,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_at_start": round(os.getloadavg()[0], 1),
        "python": python_version(),
    }
    for package in ("duckdb", "dbt-core", "pandas", "pyarrow", "polars"):
        with suppress(PackageNotFoundError):
            facts[package] = version(package)
    return facts


def check_targets(outcomes: Sequence[Outcome], increments: Increments | None) -> list[Target]:
    """What is asked of the pipeline, beside what was measured."""
    seconds = {outcome.part: outcome.measured.seconds for outcome in outcomes if outcome.measured}
    memory = {outcome.part: outcome.measured.together_mib / 1024 for outcome in outcomes if outcome.measured}
    early, late = (increments.early.measured.seconds, increments.late.measured.seconds) if increments else (None, None)
    small = next((outcome for outcome in outcomes if outcome.part is Part.SMALL_MEMORY), None)
    return [
        Target.of("ours, times the bare DuckDB script", _ratio(seconds.get(Part.OURS), seconds.get(Part.DUCKDB)), 1.5),
        Target.of("ours, times pandas", _ratio(seconds.get(Part.OURS), seconds.get(Part.PANDAS)), 0.5),
        Target.of("memory of ours, GiB", memory.get(Part.OURS), 3.0),
        Target.of(f"failures within {SMALL_MEMORY}", None if small is None else float(small.measured is None), 0.0),
        Target.of("one more day, times the whole", _ratio(late, seconds.get(Part.OURS)), 0.2),
        Target.of("one more day late, times early", _ratio(late, early), 1.2),
    ]


def _ratio(one: float | None, other: float | None) -> float | None:
    return one / other if one is not None and other else None
