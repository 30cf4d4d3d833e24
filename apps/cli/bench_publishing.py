"""`recomart bench publishing`: a publication of many lists, and the log of those that it changed."""

from pathlib import Path
from typing import Annotated

import typer

from apps.benchmarks.publishing_benchmark import PublishedShop, run_publishing_benchmark
from apps.cli import console
from apps.cli.bench_tables import describe_machine, exit_if_missed, print_targets
from apps.cli.json_files import JsonFile, write_at_end
from warehouse.settings import Settings

app = typer.Typer()


@app.command("publishing")
def benchmark_publishing(
    work_dir: Annotated[Path, typer.Option(help="New folder for a synthetic shop (8 GB at the default size).")],
    customers: Annotated[int, typer.Option(help="Customers, each with a list of 50 products.", min=1)] = 1_000_000,
    changed_share: Annotated[
        float, typer.Option(help="Share of the lists that a publication changes.", min=0, max=1)
    ] = 0.17,
    json_file: JsonFile = None,
) -> None:
    """Measure a publication, and the log of the lists that it changed.

    Logs all lists of a first publication, then the lists that changed in a day: directly, and after a month of logs.
    """
    shop = PublishedShop(customers=customers, changed_share=changed_share)
    with console.StepProgress() as progress:
        progress.on_step("measure")
        result = run_publishing_benchmark(Settings(warehouse=work_dir), shop, progress.on_stage)
    with write_at_end(json_file, result):
        console.print_line(f"\n{describe_machine(result.machine)}")
        console.print_line(f"{customers:,} lists of 50 products, a copy of {result.copy_mib:,} MiB\n")
        console.print_table("Publications", [row.model_dump() for row in result.log_times])
        print_targets(result.targets, "a million customers")
    exit_if_missed("publishing", result.targets)
