"""`recomart bench effect`: intervals and verdicts of simulated shops beside their planted effect."""

from pathlib import Path
from typing import Annotated

import typer

from apps.benchmarks.effect_benchmark import SimulatedShops, run_effect_benchmark
from apps.cli import console
from apps.cli.bench_tables import describe_machine, print_targets
from apps.cli.json_files import JsonFile, write_at_end
from warehouse.settings import Settings

DEFAULT_SIZE = SimulatedShops()

app = typer.Typer()


@app.command("effect")
def benchmark_effect(
    work_dir: Annotated[Path, typer.Option(help="Folder for the simulated shops, one after another.")],
    shops: Annotated[int, typer.Option(help="Shops; every other one has an effect.", min=2)] = DEFAULT_SIZE.shops,
    customers: Annotated[int, typer.Option(help="Customers of a shop.", min=1)] = DEFAULT_SIZE.customers,
    days: Annotated[int, typer.Option(help="Days of the experiment.", min=1)] = DEFAULT_SIZE.days,
    effect: Annotated[float, typer.Option(help="Planted effect of the lists.", min=0, max=10)] = DEFAULT_SIZE.effect,
    json_file: JsonFile = None,
) -> None:
    """Measure experiments in simulated shops, and compare intervals and verdicts with the planted effect.

    Builds the effect marts of each shop from landing files and a log of lists, without a model.
    """
    size = SimulatedShops(shops=shops, customers=customers, days=days, effect=effect)
    with console.StepProgress() as progress:
        progress.on_step("measure")
        result = run_effect_benchmark(Settings(warehouse=work_dir), size, progress.on_stage)
    with write_at_end(json_file, result):
        console.print_line(f"\n{describe_machine(result.machine)}\n")
        rows = [
            {
                **summary.model_dump(),
                **{name: f"{getattr(summary, name):+.1%}" for name in ("planted_lift", "lift")},
                "width": f"{summary.width:.1%}",
            }
            for summary in result.summaries
        ]
        console.print_table(f"{shops} shops of {customers:,} customers, {days} days", rows)
        print_targets(result.targets, f"{DEFAULT_SIZE.shops} shops")
