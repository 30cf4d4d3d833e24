"""`recomart bench pipeline`: loading and building beside other engines."""

from pathlib import Path
from typing import Annotated

import typer

from apps.benchmarks.pipeline_benchmark import (
    Part,
    PartResult,
    PipelineBenchmarkResult,
    build_shop_config,
    run_pipeline_benchmark,
)
from apps.cli import console
from apps.cli.bench_tables import describe_machine, print_targets
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
    work_dir: Annotated[Path, typer.Option(help="Folder for the shop and everyone's tables (10 GB at the full size).")],
    events: Annotated[int, typer.Option(help="Clickstream events, about; a purchase line to every ten.")] = 10_000_000,
    days: Annotated[int, typer.Option(help="Days of history.", min=12)] = 91,
    part_names: Annotated[str, typer.Option("--parts", help="Parts to run, separated by commas.")] = ",".join(Part),
    memory_limit: Annotated[
        str, typer.Option(help="Memory that DuckDB may use, for us and the bare script.")
    ] = Settings.model_fields["memory_limit"].default,
    json_file: Annotated[Path | None, typer.Option("--json", help="File to write all figures to.")] = None,
) -> None:
    """Load and build beside a bare DuckDB script, pandas and polars: seconds, memory, and whether the tables are equal.

    Then the same in 1 GB of memory, and one more day for a warehouse of a month and of a quarter of a year.
    """
    parts = [_parse_part(name.strip()) for name in part_names.split(",")]
    # The demo shop's own declaration, whatever the environment says of another shop.
    settings = Settings(
        warehouse=work_dir, sources=PROJECT_ROOT / "warehouse" / "sources.yml", memory_limit=memory_limit
    )
    with console.StepProgress() as progress:
        result = run_pipeline_benchmark(settings, build_shop_config(events, days), parts, progress)
    if json_file:
        json_file.write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
    _print_pipeline_result(result)
    if not result.is_comparable:
        console.exit_with_error("not everyone got to the end with the same tables; the figures above are no comparison")


def _parse_part(name: str) -> Part:
    try:
        return Part(name)
    except ValueError:
        raise RecomartError(f"--parts {name}: there is no such part; choose among {', '.join(Part)}") from None


def _print_pipeline_result(result: PipelineBenchmarkResult) -> None:
    console.print_line(f"\n{describe_machine(result.machine)}, DuckDB's memory limit {result.memory_limit}")
    console.print_line(
        f"{result.shop.events:,} events, {result.shop.purchases:,} purchase lines, {result.shop.files:,} files\n"
    )
    ours = next((outcome.usage for outcome in result.results if outcome.part is Part.RECOMART), None)
    console.print_table(
        "Everyone", [_build_result_row(outcome, ours.seconds if ours else None) for outcome in result.results]
    )
    for outcome in result.results:
        if outcome.failure:
            console.print_line(f"{outcome.part} failed: {outcome.failure}")
        if outcome.differences:
            console.print_table(f"{outcome.part} differs", [found.model_dump() for found in outcome.differences])
    if result.increments:
        days = (result.increments.early, result.increments.late)
        rows = [
            {
                "one more day": day.days_before + 1,
                "lines": day.line_count,
                "seconds": round(day.usage.seconds, 1),
                "cpu_seconds": round(day.usage.cpu_seconds, 1),
                "memory_mib": day.usage.max_total_mib,
                "steps": _format_steps(day.usage.step_seconds),
            }
            for day in days
        ]
        console.print_table("One more day", rows)
    print_targets(result.targets)


def _build_result_row(outcome: PartResult, our_seconds: float | None) -> dict[str, str | int | float | None]:
    measured = outcome.usage
    row: dict[str, str | int | float | None] = dict.fromkeys(RESULT_COLUMNS)
    row |= {"contender": outcome.part, "tables": "not compared"}
    if outcome.differences is not None:
        row["tables"] = "different" if outcome.differences else "equal"
    if measured is None:
        return row | {"tables": "failed"}
    return row | {
        "seconds": round(measured.seconds, 1),
        "relative_seconds": our_seconds and round(measured.seconds / our_seconds, 2),
        "cpu_seconds": round(measured.cpu_seconds, 1),
        "memory_mib": measured.max_total_mib,
        "max_process_mib": measured.max_process_mib,
        "steps": _format_steps(measured.step_seconds),
    }


def _format_steps(steps: dict[str, float]) -> str:
    return ", ".join(f"{step} {seconds:.1f} s" for step, seconds in steps.items())
