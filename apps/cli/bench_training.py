"""`recomart bench training`: training on a large synthetic shop."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from apps.benchmarks.training_benchmark import TrainingShop, run_training_benchmark
from apps.cli import console
from apps.cli.bench_tables import describe_machine, print_targets

app = typer.Typer()


@app.command("training")
def benchmark_training(
    customers: Annotated[int, typer.Option(help="Customers of the made-up shop.", min=1)] = 1_000_000,
    products: Annotated[int, typer.Option(help="Its products.", min=1)] = 200_000,
    interactions: Annotated[
        int, typer.Option(help="Its pairs of a customer and a product, about.", min=1)
    ] = 50_000_000,
    factors: Annotated[int, typer.Option(help="Length of the vectors to learn.", min=1)] = 64,
    epochs: Annotated[int, typer.Option(help="Passes over all products and all customers.", min=1)] = 2,
    device: Annotated[
        Literal["cpu", "cuda"] | None, typer.Option(help="Not given, the CPU and then the GPU, when there is one.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.", min=0)] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="File to write all figures to.")] = None,
) -> None:
    """Train on a made-up shop in a fresh process: seconds of each epoch, and the peak memory."""

    shop = TrainingShop(customers=customers, products=products, interactions=interactions, seed=seed)
    result = run_training_benchmark(shop, factors, epochs, device)
    if json_file:
        json_file.write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
    console.print_line(f"\n{describe_machine(result.machine)}")
    console.print_line(f"{customers:,} customers, {products:,} products, {factors} factors\n")
    rows = [
        {
            **found.model_dump(exclude={"epoch_seconds", "losses"}),
            "seconds_per_epoch": ", ".join(f"{seconds:.1f}" for seconds in found.epoch_seconds),
            "loss": ", ".join(f"{loss:.4f}" for loss in found.losses),
        }
        for found in result.results
    ]
    console.print_table("Training", rows)
    print_targets(result.targets)
