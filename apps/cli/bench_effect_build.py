"""`recomart bench effect-build`: the effect marts of a month with many lists and customers."""

from pathlib import Path
from typing import Annotated

import typer

from apps.benchmarks.effect_build_benchmark import EffectShop, run_effect_build_benchmark
from apps.cli import console
from apps.cli.bench_tables import describe_machine, print_targets
from apps.cli.json_files import JsonFile, write_at_end
from warehouse.settings import Settings

app = typer.Typer()


@app.command("effect-build")
def benchmark_effect_build(
    work_dir: Annotated[Path, typer.Option(help="New folder for a synthetic shop (15 GB at the default size).")],
    customers: Annotated[int, typer.Option(help="Customers, each with a list of ten products.", min=1)] = 1_000_000,
    actions: Annotated[int, typer.Option(help="Actions in two months.", min=1)] = 10_000_000,
    json_file: JsonFile = None,
) -> None:
    """Measure the build of the effect marts for a month of lists, without and with impressions."""
    shop = EffectShop(customers=customers, actions=actions)
    with console.StepProgress() as progress:
        progress.on_step("measure")
        result = run_effect_build_benchmark(Settings(warehouse=work_dir), shop, progress)
    with write_at_end(json_file, result):
        console.print_line(f"\n{describe_machine(result.machine)}")
        console.print_line(f"{customers:,} customers, {actions:,} actions, memory limit {result.memory_limit}\n")
        console.print_table(
            "Builds of the effect marts",
            [
                {
                    **build.model_dump(include={"basis", "logged_places", "impressions", "recommended_actions"}),
                    "seconds": round(build.usage.seconds, 1),
                    "cpu_seconds": round(build.usage.cpu_seconds, 1),
                    "mib": build.usage.max_total_mib,
                }
                for build in result.builds
            ],
        )
        print_targets(result.targets, "a million customers")
