"""`recomart bench pipeline`: loading and building compared with other engines."""

from pathlib import Path
from typing import Annotated

import typer

from apps.benchmarks.pipeline_benchmark import (
    DEFAULT_EVENTS,
    Part,
    PartResult,
    PipelineBenchmarkResult,
    build_shop_config,
    run_pipeline_benchmark,
)
from apps.cli import console
from apps.cli.bench_tables import describe_machine, print_targets
from apps.cli.json_files import JsonFile, write_at_end
from warehouse.errors import RecomartError
from warehouse.settings import PROJECT_ROOT, Settings

app = typer.Typer()

RESULT_COLUMNS = (
    "contender",
    "seconds",
    "relative_seconds",
    "cpu_seconds",
    "memory_mib",
    "max_process_mib",
    "tables",
    "steps",
)


@app.command("pipeline")
def benchmark_pipeline(
    work_dir: Annotated[
        Path, typer.Option(help="Folder for the shop and the tables of all contenders (10 GB at the default size).")
    ],
    events: Annotated[
        int, typer.Option(help="Approximate number of clickstream events; there is one purchase line for ten events.")
    ] = DEFAULT_EVENTS,
    days: Annotated[int, typer.Option(help="Days of history.", min=12)] = 91,
    part_names: Annotated[str, typer.Option("--parts", help="Parts to run, separated by commas.")] = ",".join(Part),
    memory_limit: Annotated[
        str, typer.Option(help="DuckDB's memory limit, for RecoMart and the DuckDB script.")
    ] = Settings.model_fields["memory_limit"].default,
    json_file: JsonFile = None,
) -> None:
    """Compare loading and building with a DuckDB script, pandas and polars.

    Measures seconds and memory and checks that all contenders make equal tables.
    Also runs RecoMart with 1 GB of memory, adds one day to a third and to all of the history, and runs the demo shop.
    """
    parts = [_parse_part(name.strip()) for name in part_names.split(",")]
    # The demo shop needs its own sources file, even if the environment names another one.
    settings = Settings(
        warehouse=work_dir, sources=PROJECT_ROOT / "warehouse" / "sources.yml", memory_limit=memory_limit
    )
    with console.StepProgress() as progress:
        result = run_pipeline_benchmark(settings, build_shop_config(events, days), parts, progress)
    with write_at_end(json_file, result):
        _print_pipeline_result(result)
    if not result.is_comparable:
        console.exit_with_error(
            "benchmark failed: pipeline: a contender failed or made different tables. See the messages above"
        )


def _parse_part(name: str) -> Part:
    try:
        return Part(name)
    except ValueError:
        raise RecomartError(f"unknown part: --parts {name}. Choose from {', '.join(Part)}") from None


def _print_pipeline_result(result: PipelineBenchmarkResult) -> None:
    console.print_line(f"\n{describe_machine(result.machine)}, DuckDB's memory limit {result.memory_limit}")
    console.print_line(
        f"{result.shop.events:,} events, {result.shop.purchases:,} purchase lines, {result.shop.files:,} files\n"
    )
    baseline = next((outcome.usage for outcome in result.results if outcome.part is Part.RECOMART), None)
    console.print_table(
        "Contenders", [_build_result_row(outcome, baseline.seconds if baseline else None) for outcome in result.results]
    )
    for outcome in result.results:
        if outcome.failure:
            console.print_line(f"{outcome.part} failed: {outcome.failure}")
        if outcome.differences:
            console.print_table(
                f"Differences between {outcome.part} and recomart", [row.model_dump() for row in outcome.differences]
            )
    if result.increments:
        days = (result.increments.early, result.increments.late)
        rows = [
            {
                "day": day.days_before + 1,
                "lines": day.line_count,
                "seconds": round(day.usage.seconds, 1),
                "cpu_seconds": round(day.usage.cpu_seconds, 1),
                "memory_mib": day.usage.max_total_mib,
                "steps": _format_steps(day.usage.step_seconds),
            }
            for day in days
        ]
        console.print_table("One more day", rows)
    if result.demo_shop:
        runs = result.demo_shop.model_dump().items()
        console.print_table(
            "recomart run, demo shop",
            [{"run": name.replace("_", " "), "seconds": round(seconds, 1)} for name, seconds in runs],
        )
    print_targets(result.targets, "ten million events")


def _build_result_row(outcome: PartResult, baseline_seconds: float | None) -> dict[str, str | int | float | None]:
    usage = outcome.usage
    row: dict[str, str | int | float | None] = dict.fromkeys(RESULT_COLUMNS)
    row |= {"contender": outcome.part, "tables": "not compared"}
    if outcome.differences is not None:
        row["tables"] = "different" if outcome.differences else "equal"
    if usage is None:
        return row | {"tables": "failed"}
    return row | {
        "seconds": round(usage.seconds, 1),
        "relative_seconds": baseline_seconds and round(usage.seconds / baseline_seconds, 2),
        "cpu_seconds": round(usage.cpu_seconds, 1),
        "memory_mib": usage.max_total_mib,
        "max_process_mib": usage.max_process_mib,
        "steps": _format_steps(usage.step_seconds),
    }


def _format_steps(steps: dict[str, float]) -> str:
    return ", ".join(f"{step} {seconds:.1f} s" for step, seconds in steps.items())
