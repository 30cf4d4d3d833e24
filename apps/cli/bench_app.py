"""`recomart bench app`: the pages of the app on a copy of a large shop, in a headless Chromium."""

from pathlib import Path
from typing import Annotated

import typer

from apps.benchmarks.app_benchmark import run_app_benchmark
from apps.benchmarks.synthetic_copy import SyntheticCopy
from apps.cli import console
from apps.cli.bench_tables import describe_machine, exit_if_missed, print_targets
from apps.cli.json_files import JsonFile, write_at_end
from apps.cli.options import Warehouse, load_settings
from warehouse.settings import Settings

app = typer.Typer()


@app.command("app")
def benchmark_app(
    work_dir: Annotated[
        Path,
        typer.Option(help="Folder for a synthetic shop (10 GB at the default size); a published one is used again."),
    ],
    customers: Annotated[int, typer.Option(help="Customers, each with a list of 50 products.", min=1)] = 1_000_000,
    products: Annotated[int, typer.Option(help="Products of the catalog.", min=100)] = 200_000,
    repetitions: Annotated[int, typer.Option(help="Measurements of each page; medians are shown.", min=1)] = 5,
    warehouse: Warehouse = None,
    json_file: JsonFile = None,
) -> None:
    """Measure the pages of the app on a large shop, in a headless Chromium.

    The figures are first paint, page switch, search and memory. The columns and the small tables are those of the copy
    that the warehouse has published, such as the demo shop's.
    """
    template = load_settings(warehouse=warehouse)
    shop = SyntheticCopy(customers=customers, products=products)
    with console.StepProgress() as progress:
        progress.on_step("measure")
        result = run_app_benchmark(Settings(warehouse=work_dir), shop, template, repetitions, progress.on_stage)
    with write_at_end(json_file, result):
        console.print_line(f"\n{describe_machine(result.machine)}")
        console.print_line(
            f"{customers:,} customers, {products:,} products, a copy of {result.copy_mib:,} MiB, "
            f"the app's memory at most {result.memory_mib:,} MiB\n"
        )
        console.print_table("Pages", [page.model_dump() for page in result.pages])
        print_targets(result.targets, "a million customers and 200,000 products")
    exit_if_missed("app", result.targets)
