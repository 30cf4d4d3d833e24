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

from apps.benchmarks.increments import Increments, measure_increments
from apps.benchmarks.measurement import ResourceUsage, measure_contender
from apps.benchmarks.optional_libraries import require_library
from apps.benchmarks.table_equality import (
    Difference,
    TableStatistics,
    compute_statistics,
    find_differences,
    open_tables,
)
from apps.benchmarks.targets import Target
from orchestration.demo_data import generate_demo_shop
from orchestration.pipeline import PipelineListener
from warehouse.demo.config import DemoConfig
from warehouse.demo.generator import DemoSummary
from warehouse.errors import RecomartError
from warehouse.settings import Settings


class Part(StrEnum):
    """A part of the benchmark."""

    RECOMART = "recomart"
    DUCKDB = "duckdb"
    PANDAS = "pandas"
    POLARS = "polars"
    SMALL_MEMORY = "small-memory"
    INCREMENTS = "increments"


CONTENDER_MODULES = {
    Part.RECOMART: "recomart",
    Part.DUCKDB: "duckdb_script",
    Part.PANDAS: "pandas_script",
    Part.POLARS: "polars_script",
    Part.SMALL_MEMORY: "recomart",
}
"""Parts that make the tables, each with its module of `contenders`."""

SMALL_MEMORY_LIMIT = "1GB"

PURCHASE_EAGERNESS = 1.45
"""Eagerness of the shop's customers: a purchase line to every ten events."""


class PartResult(BaseModel):
    """What one part took and whether its tables are ours."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    part: Part
    usage: ResourceUsage | None
    """None when it failed."""

    failure: str | None = None

    differences: list[Difference] | None = None
    """None when there was nothing to compare with."""


class PipelineBenchmarkResult(BaseModel):
    """All that one run of the benchmark measured."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    machine: dict[str, str | int | float]
    shop: DemoSummary
    memory_limit: str
    results: list[PartResult]
    increments: Increments | None
    targets: list[Target]

    @property
    def is_comparable(self) -> bool:
        """Whether everyone got to the end with the same tables."""
        return not any(outcome.failure or outcome.differences for outcome in self.results)


def build_shop_config(events: int, days: int) -> DemoConfig:
    """A shop of that many events, whose customers and products grow with them as those of shops do."""
    return DemoConfig(
        customers=max(100, events * 6 // 1000),
        products=max(50, events * 2 // 1000),
        days=days,
        events=events,
        eagerness=PURCHASE_EAGERNESS,
    )


def run_pipeline_benchmark(
    settings: Settings, shop: DemoConfig, parts: Collection[Part], listener: PipelineListener
) -> PipelineBenchmarkResult:
    """Run the chosen parts one after the other, in folders of the warehouse folder; the shop is written once and kept.

    Raises:
        RecomartError: Polars was asked for and is not installed, or the folder holds something else.
    """
    if Part.POLARS in parts:
        require_library("polars", ", --parts leaves it out")
    machine = get_machine_info()
    settings = settings.model_copy(update={"landing": settings.warehouse / "landing"})
    summary = generate_demo_shop(settings, shop, listener, overwrite=True)
    outcomes: list[PartResult] = []
    ours: TableStatistics | None = None
    for part in CONTENDER_MODULES:
        if part in parts:
            own = _create_part_settings(settings, part)
            outcome = _run_part(part, own, listener)
            if outcome.usage and part is Part.RECOMART:
                ours = _read_statistics(own, listener)
            elif outcome.usage and ours is not None:
                outcome = outcome.model_copy(
                    update={"differences": find_differences(ours, _read_statistics(own, listener))}
                )
            outcomes.append(outcome)
    increments = None
    if Part.INCREMENTS in parts:
        try:
            increments = measure_increments(_create_part_settings(settings, Part.INCREMENTS), shop, listener)
        except RecomartError as error:
            # What took half an hour to measure before it is kept.
            outcomes.append(PartResult(part=Part.INCREMENTS, usage=None, failure=str(error)))
    return PipelineBenchmarkResult(
        machine=machine,
        shop=summary,
        memory_limit=settings.memory_limit,
        results=outcomes,
        increments=increments,
        targets=evaluate_targets(outcomes, increments),
    )


def _create_part_settings(settings: Settings, part: Part) -> Settings:
    """Settings of an empty warehouse for this part."""
    warehouse = settings.warehouse / part
    shutil.rmtree(warehouse, ignore_errors=True)
    limit = SMALL_MEMORY_LIMIT if part is Part.SMALL_MEMORY else settings.memory_limit
    return settings.model_copy(update={"warehouse": warehouse, "memory_limit": limit})


def _run_part(part: Part, part_settings: Settings, listener: PipelineListener) -> PartResult:
    listener.on_step(part)
    started = time.perf_counter()
    try:
        measured = measure_contender(
            CONTENDER_MODULES[part], part_settings, lambda step, seconds: listener.on_stage(f"{step}: {seconds:.1f} s")
        )
    except RecomartError as error:
        listener.on_step_done(part, f"failed: {error}", time.perf_counter() - started)
        return PartResult(part=part, usage=None, failure=str(error))
    listener.on_step_done(part, describe_usage(measured), measured.seconds)
    return PartResult(part=part, usage=measured)


def _read_statistics(part_settings: Settings, listener: PipelineListener) -> TableStatistics:
    """Of the tables that a contender left, in a DuckDB file or as Parquet files."""
    listener.on_step("comparing")
    with closing(
        open_tables(part_settings.database if part_settings.database.exists() else part_settings.warehouse)
    ) as tables:
        return compute_statistics(tables)


def describe_usage(usage: ResourceUsage) -> str:
    """One line about what a contender took."""
    steps = ", ".join(f"{step} {seconds:.1f} s" for step, seconds in usage.step_seconds.items())
    return f"{steps}; {usage.max_total_mib:,} MiB"


def get_machine_info() -> dict[str, str | int | float]:
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


def evaluate_targets(results: Sequence[PartResult], increments: Increments | None) -> list[Target]:
    """What is asked of the pipeline, beside what was measured."""
    seconds = {outcome.part: outcome.usage.seconds for outcome in results if outcome.usage}
    memory = {outcome.part: outcome.usage.max_total_mib / 1024 for outcome in results if outcome.usage}
    early, late = (increments.early.usage.seconds, increments.late.usage.seconds) if increments else (None, None)
    small = next((outcome for outcome in results if outcome.part is Part.SMALL_MEMORY), None)
    return [
        Target.evaluate(
            "ours, times the bare DuckDB script",
            _compute_ratio(seconds.get(Part.RECOMART), seconds.get(Part.DUCKDB)),
            1.5,
        ),
        Target.evaluate(
            "ours, times pandas", _compute_ratio(seconds.get(Part.RECOMART), seconds.get(Part.PANDAS)), 0.5
        ),
        Target.evaluate("memory of ours, GiB", memory.get(Part.RECOMART), 3.0),
        Target.evaluate(
            f"failures within {SMALL_MEMORY_LIMIT}", None if small is None else float(small.usage is None), 0.0
        ),
        Target.evaluate("one more day, times the whole", _compute_ratio(late, seconds.get(Part.RECOMART)), 0.2),
        Target.evaluate("one more day late, times early", _compute_ratio(late, early), 1.2),
    ]


def _compute_ratio(numerator: float | None, denominator: float | None) -> float | None:
    return numerator / denominator if numerator is not None and denominator else None
