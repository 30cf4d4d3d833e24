"""`recomart bench training`: training on a large synthetic shop."""

from typing import Annotated, Literal

import typer

from apps.benchmarks.training_benchmark import TrainingShop, run_training_benchmark
from apps.cli import console
from apps.cli.bench_tables import describe_machine, print_targets
from apps.cli.json_files import JsonFile, write_at_end

app = typer.Typer()


@app.command("training")
def benchmark_training(
    customers: Annotated[int, typer.Option(help="Customers of the synthetic shop.", min=1)] = 1_000_000,
    products: Annotated[int, typer.Option(help="Products of the shop.", min=1)] = 200_000,
    interactions: Annotated[
        int, typer.Option(help="Approximate number of customer-product pairs.", min=1)
    ] = 50_000_000,
    factors: Annotated[int, typer.Option(help="Length of the factor vectors.", min=1)] = 64,
    epochs: Annotated[int, typer.Option(help="Training epochs: passes over all products and customers.", min=1)] = 2,
    device: Annotated[
        Literal["cpu", "cuda"] | None,
        typer.Option(help="Device to train on; by default the CPU and then the GPU, if there is one."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed.", min=0)] = 0,
    json_file: JsonFile = None,
) -> None:
    """Measure training on a synthetic shop: seconds of each epoch and peak memory."""
    shop = TrainingShop(customers=customers, products=products, interactions=interactions, seed=seed)
    result = run_training_benchmark(shop, factors, epochs, device)
    with write_at_end(json_file, result):
        console.print_line(f"\n{describe_machine(result.machine)}")
        console.print_line(f"{customers:,} customers, {products:,} products, {factors} factors\n")
        rows = [
            {
                **device_result.model_dump(exclude={"epoch_seconds", "losses"}),
                "seconds_per_epoch": ", ".join(f"{seconds:.1f}" for seconds in device_result.epoch_seconds),
                "loss": ", ".join(f"{loss:.4f}" for loss in device_result.losses),
            }
            for device_result in result.results
        ]
        console.print_table("Training", rows)
        print_targets(result.targets, "50 million interactions")
