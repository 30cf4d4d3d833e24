"""`recomart bench serving`: single answers, in this process and over HTTP."""

from pathlib import Path
from typing import Annotated

import typer

from apps.benchmarks.serving_benchmark import run_serving_benchmark
from apps.benchmarks.synthetic_model import SyntheticShop, publish_synthetic_shop
from apps.cli import console
from apps.cli.bench_tables import describe_machine
from warehouse.settings import Settings

app = typer.Typer()


@app.command("serving")
def benchmark_serving(
    work_dir: Annotated[
        Path | None, typer.Option(help="Folder for a shop of random factors (1 GB at the full size).")
    ] = None,
    warehouse: Annotated[Path | None, typer.Option(help="A warehouse of one's own, instead of a made-up shop.")] = None,
    products: Annotated[int, typer.Option(help="Products of the made-up shop.", min=100)] = 200_000,
    factors: Annotated[int, typer.Option(help="Length of its vectors.", min=1)] = 256,
    clients: Annotated[int, typer.Option(help="Clients that ask the service at once.", min=1)] = 8,
    seconds: Annotated[float, typer.Option(help="How long they ask, for each kind of question.", min=0.1)] = 10,
    json_file: Annotated[Path | None, typer.Option("--json", help="File to write all figures to.")] = None,
) -> None:
    """Fold in baskets of 20 products and rank the catalog for each; then ask the real service over HTTP."""
    folder = work_dir or warehouse
    if folder is None or (work_dir and warehouse):
        raise typer.BadParameter("name either a folder for a made-up shop with --work-dir or a shop's own --warehouse")

    settings = Settings(warehouse=folder)
    with console.StepProgress() as progress:
        if work_dir is not None:
            progress.on_step("making up")
            publish_synthetic_shop(
                settings, SyntheticShop(products=products, customers=products // 10, factors=factors)
            )
        progress.on_step("asking")
        result = run_serving_benchmark(settings, clients, seconds, progress.on_stage)
    if json_file:
        json_file.write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
    factors_from = "random factors" if work_dir is not None else "trained factors"
    console.print_line(f"\n{describe_machine(result.machine)}")
    console.print_line(
        f"{result.products:,} products with {result.factors} {factors_from}; loaded in {result.load_seconds:.2f} s\n"
    )
    console.print_table("One after the other, in this process, on one thread", [result.in_process.model_dump()])
    console.print_table(
        f"{result.client_count} clients at once over HTTP", [latency.model_dump() for latency in result.over_http]
    )
    console.print_line(f"the service answered {result.start_seconds:.1f} s after it was started")
    if not result.is_target_met:
        console.exit_with_error(result.first_error or "a basket took longer than it may at the median")
