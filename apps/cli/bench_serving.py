"""`recomart bench serving`: response times for single requests, in this process and over HTTP."""

from pathlib import Path
from typing import Annotated

import typer

from apps.benchmarks.serving_benchmark import DEFAULT_SECONDS, run_serving_benchmark
from apps.benchmarks.synthetic_model import SyntheticShop, publish_synthetic_shop
from apps.cli import console
from apps.cli.bench_tables import describe_machine, print_targets
from apps.cli.json_files import JsonFile, write_at_end
from warehouse.settings import Settings

app = typer.Typer()


@app.command("serving")
def benchmark_serving(
    work_dir: Annotated[
        Path | None, typer.Option(help="Folder for a synthetic shop with random factors (1 GB at the default size).")
    ] = None,
    warehouse: Annotated[
        Path | None, typer.Option(help="Existing warehouse to measure instead of a synthetic shop.")
    ] = None,
    products: Annotated[int, typer.Option(help="Products of the synthetic shop.", min=100)] = 200_000,
    factors: Annotated[int, typer.Option(help="Length of its factor vectors.", min=1)] = 256,
    clients: Annotated[int, typer.Option(help="Concurrent clients of the service.", min=1)] = 8,
    seconds: Annotated[
        float, typer.Option(help="Seconds to send requests, for each kind of request.", min=0.1)
    ] = DEFAULT_SECONDS,
    json_file: JsonFile = None,
) -> None:
    """Measure recommendations for single baskets, in this process and over HTTP.

    Each basket has 20 products. The HTTP part starts `recomart serve`.
    """
    folder = work_dir or warehouse
    if folder is None or (work_dir and warehouse):
        raise typer.BadParameter("give either --work-dir, for a synthetic shop, or --warehouse")
    settings = Settings(warehouse=folder)
    with console.StepProgress() as progress:
        if work_dir is not None:
            progress.on_step("generate")
            publish_synthetic_shop(
                settings, SyntheticShop(products=products, customers=products // 10, factors=factors)
            )
        progress.on_step("measure")
        result = run_serving_benchmark(settings, clients, seconds, progress.on_stage)
    with write_at_end(json_file, result):
        factor_kind = "random" if work_dir is not None else "trained"
        console.print_line(f"\n{describe_machine(result.machine)}")
        console.print_line(
            f"{result.products:,} products with {result.factors} {factor_kind} factors; "
            f"loaded in {result.load_seconds:.2f} s\n"
        )
        console.print_table(
            "In this process, one request after another, on one thread", [result.in_process.model_dump()]
        )
        console.print_table(
            f"Over HTTP, {result.client_count} concurrent clients",
            [latency.model_dump() for latency in result.over_http],
        )
        console.print_table(
            "Without the log of recommendations",
            [
                {**latency.model_dump(), "log_cost": f"{result.log_cost_shares[latency.request_kind]:.1%}"}
                for latency in result.over_http_without_log
            ],
        )
        print_targets(result.targets, f"{DEFAULT_SECONDS:g} seconds")
        console.print_line(f"the service was ready {result.start_seconds:.1f} s after its start")
    if not result.is_target_met:
        reason = result.first_error or "a target is not met"
        console.exit_with_error(f"benchmark failed: serving: {reason}")
