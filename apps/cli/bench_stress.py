"""`recomart bench stress`: the service under random and hostile requests during publications."""

from pathlib import Path
from typing import Annotated

import typer

from apps.benchmarks.stress_benchmark import MAX_MEMORY_RATIO, run_stress_benchmark
from apps.cli import console
from apps.cli.bench_tables import describe_machine
from apps.cli.json_files import JsonFile, write_at_end
from warehouse.settings import Settings

app = typer.Typer()


@app.command("stress")
def benchmark_stress(
    work_dir: Annotated[Path, typer.Option(help="Folder for a synthetic shop.")],
    clients: Annotated[int, typer.Option(help="Concurrent clients.", min=1)] = 64,
    seconds: Annotated[float, typer.Option(help="Seconds to send requests.", min=1)] = 60,
    publications: Annotated[int, typer.Option(help="Publications meanwhile, each with another model.", min=0)] = 10,
    json_file: JsonFile = None,
) -> None:
    """Send random and hostile requests to the service while new versions are published.

    The command fails if a client gets an undocumented error or the memory of the service grows.
    """
    with console.StepProgress() as progress:
        progress.on_step("measure")
        result = run_stress_benchmark(Settings(warehouse=work_dir), clients, seconds, publications, progress.on_stage)
    with write_at_end(json_file, result):
        console.print_line(f"\n{describe_machine(result.machine)}")
        console.print_line(
            f"{result.client_count} clients, {result.seconds:g} s, {result.publication_count} publications, "
            f"{result.response_count:,} responses\n"
        )
        console.print_table(
            "Responses", [{"status": status, "responses": count} for status, count in result.statuses.items()]
        )
        console.print_table(
            "Memory of the service, MiB", [result.model_dump(include={"idle_mib", "start_mib", "max_mib", "end_mib"})]
        )
        console.print_table("/health", [result.model_dump(include={"health_p50_ms", "health_max_ms"})])
    if not result.is_target_met:
        reason = next(iter(result.errors), f"memory at the end is above {MAX_MEMORY_RATIO} times that at the start")
        console.exit_with_error(f"benchmark failed: stress: {reason}")
