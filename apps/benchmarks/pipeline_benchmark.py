"""The benchmark of loading and building: RecoMart and other engines, little memory, one more day, and the demo shop."""

import shutil
import time
from collections.abc import Collection, Sequence
from contextlib import closing
from enum import StrEnum
from functools import partial

from pydantic import BaseModel, ConfigDict

from apps.benchmarks.demo_shop import DemoShopSeconds, measure_demo_shop
from apps.benchmarks.increments import Increments, measure_increments
from apps.benchmarks.measurement import ResourceUsage, get_machine_info, measure_contender
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
from orchestration.progress import PipelineListener
from warehouse.demo.config import DemoConfig
from warehouse.demo.generator import DemoSummary
from warehouse.errors import RecomartError
from warehouse.settings import Settings


class Part(StrEnum):
    """A part of the benchmark, as named by `--parts`."""

    RECOMART = "recomart"
    DUCKDB = "duckdb"
    PANDAS = "pandas"
    POLARS = "polars"
    SMALL_MEMORY = "small-memory"
    INCREMENTS = "increments"
    DEMO_SHOP = "demo-shop"


CONTENDER_MODULES = {
    Part.RECOMART: "recomart",
    Part.DUCKDB: "duckdb_script",
    Part.PANDAS: "pandas_script",
    Part.POLARS: "polars_script",
    Part.SMALL_MEMORY: "recomart",
}
"""Parts that make all tables, each with its module of `contenders`."""

SMALL_MEMORY_LIMIT = "1GB"

DEFAULT_EVENTS = 10_000_000
"""Default number of events, for which the targets hold."""

PURCHASE_EAGERNESS = 1.45
"""Eagerness of the demo shop's customers that gives one purchase line for ten events."""


class PartResult(BaseModel):
    """Usage of one part, and the differences of its tables to those of RecoMart."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    part: Part
    usage: ResourceUsage | None
    """None when the part failed."""

    failure: str | None = None

    differences: list[Difference] | None = None
    """None when the tables were not compared."""


class PipelineBenchmarkResult(BaseModel):
    """The figures of one benchmark run."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    machine: dict[str, str | int | float]
    shop: DemoSummary
    memory_limit: str
    results: list[PartResult]
    increments: Increments | None
    demo_shop: DemoShopSeconds | None
    targets: list[Target]

    @property
    def is_comparable(self) -> bool:
        """Whether all contenders finished with equal tables."""
        return not any(outcome.failure or outcome.differences for outcome in self.results)


def build_shop_config(events: int, days: int) -> DemoConfig:
    """Return a demo shop with `events` events; its customers and products grow with the events."""
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
    """Run the selected parts one after another, each in its own subfolder; the shop is generated once and kept.

    Raises:
        RecomartError: The part `polars` is selected and polars is not installed, or the folder has other files.
    """
    if Part.POLARS in parts:
        require_library("polars", ", or use --parts to skip it")
    machine = get_machine_info()
    settings = settings.model_copy(update={"landing": settings.warehouse / "landing"})
    summary = generate_demo_shop(settings, shop, listener, overwrite=True)
    outcomes: list[PartResult] = []
    expected: TableStatistics | None = None
    for part in CONTENDER_MODULES:
        if part in parts:
            part_settings = _create_part_settings(settings, part)
            outcome = _run_part(part, part_settings, listener)
            if outcome.usage and part is Part.RECOMART:
                expected = _read_statistics(part_settings, listener)
            elif outcome.usage and expected is not None:
                outcome = outcome.model_copy(
                    update={"differences": find_differences(expected, _read_statistics(part_settings, listener))}
                )
            outcomes.append(outcome)
    increments: Increments | None = None
    demo_shop: DemoShopSeconds | None = None
    # A failure must not lose the results of the other parts, which took half an hour.
    if Part.INCREMENTS in parts:
        try:
            increments = measure_increments(_create_part_settings(settings, Part.INCREMENTS), shop, listener)
        except RecomartError as error:
            outcomes.append(PartResult(part=Part.INCREMENTS, usage=None, failure=str(error)))
    if Part.DEMO_SHOP in parts:
        try:
            demo_shop = measure_demo_shop(_create_part_settings(settings, Part.DEMO_SHOP), listener)
        except RecomartError as error:
            outcomes.append(PartResult(part=Part.DEMO_SHOP, usage=None, failure=str(error)))
    return PipelineBenchmarkResult(
        machine=machine,
        shop=summary,
        memory_limit=settings.memory_limit,
        results=outcomes,
        increments=increments,
        demo_shop=demo_shop,
        targets=evaluate_targets(outcomes, increments, demo_shop, is_default_size=shop.events >= DEFAULT_EVENTS),
    )


def _create_part_settings(settings: Settings, part: Part) -> Settings:
    """Return the settings of an empty warehouse for a part."""
    warehouse = settings.warehouse / part
    shutil.rmtree(warehouse, ignore_errors=True)
    limit = SMALL_MEMORY_LIMIT if part is Part.SMALL_MEMORY else settings.memory_limit
    return settings.model_copy(update={"warehouse": warehouse, "memory_limit": limit})


def _run_part(part: Part, part_settings: Settings, listener: PipelineListener) -> PartResult:
    listener.on_step(part)
    start_seconds = time.perf_counter()
    try:
        usage = measure_contender(
            CONTENDER_MODULES[part], part_settings, lambda step, seconds: listener.on_stage(f"{step}: {seconds:.1f} s")
        )
    except RecomartError as error:
        listener.on_step_done(part, f"failed: {error}", time.perf_counter() - start_seconds)
        return PartResult(part=part, usage=None, failure=str(error))
    listener.on_step_done(part, describe_usage(usage), usage.seconds)
    return PartResult(part=part, usage=usage)


def _read_statistics(part_settings: Settings, listener: PipelineListener) -> TableStatistics:
    """Return the statistics of a contender's tables, in a DuckDB file or in Parquet files."""
    listener.on_step("compare")
    path = part_settings.database if part_settings.database.exists() else part_settings.warehouse
    with closing(open_tables(path)) as tables:
        return compute_statistics(tables)


def describe_usage(usage: ResourceUsage) -> str:
    """Return the seconds of each step and the memory as one line."""
    steps = ", ".join(f"{step} {seconds:.1f} s" for step, seconds in usage.step_seconds.items())
    return f"{steps}; {usage.max_total_mib:,} MiB"


def evaluate_targets(
    results: Sequence[PartResult],
    increments: Increments | None,
    demo_shop: DemoShopSeconds | None,
    *,
    is_default_size: bool,
) -> list[Target]:
    """Return the targets of the pipeline with the measured values."""
    evaluate = partial(Target.evaluate, is_default_size=is_default_size)
    seconds = {outcome.part: outcome.usage.seconds for outcome in results if outcome.usage}
    memory = {outcome.part: outcome.usage.max_total_mib / 1024 for outcome in results if outcome.usage}
    early, late = (increments.early.usage.seconds, increments.late.usage.seconds) if increments else (None, None)
    small = next((outcome for outcome in results if outcome.part is Part.SMALL_MEMORY), None)
    return [
        evaluate(
            "seconds relative to the DuckDB script",
            _compute_ratio(seconds.get(Part.RECOMART), seconds.get(Part.DUCKDB)),
            1.15,
        ),
        evaluate(
            "seconds relative to polars", _compute_ratio(seconds.get(Part.RECOMART), seconds.get(Part.POLARS)), 1.3
        ),
        evaluate("memory, GiB", memory.get(Part.RECOMART), 2.5),
        evaluate(
            f"failures with {SMALL_MEMORY_LIMIT} of memory", None if small is None else float(small.usage is None), 0.0
        ),
        evaluate(
            "seconds for one more day, relative to all days", _compute_ratio(late, seconds.get(Part.RECOMART)), 0.25
        ),
        evaluate("seconds for one more day, late relative to early", _compute_ratio(late, early), 1.3),
        Target.evaluate("demo shop, seconds for nothing new", demo_shop.nothing_new if demo_shop else None, 3.0),
        Target.evaluate("demo shop, seconds for one more day", demo_shop.one_more_day if demo_shop else None, 8.0),
    ]


def _compute_ratio(numerator: float | None, denominator: float | None) -> float | None:
    return numerator / denominator if numerator is not None and denominator else None
