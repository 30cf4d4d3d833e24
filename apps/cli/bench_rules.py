"""`recomart bench rules`: the page Rules, the stop of a product, and ways to boost, on a copy of a shop."""

from pathlib import Path
from typing import Annotated

import typer

from apps.benchmarks.rules_benchmark import run_rules_benchmark
from apps.cli import console
from apps.cli.bench_tables import describe_machine, exit_if_missed, print_targets
from apps.cli.json_files import JsonFile, write_at_end
from apps.cli.options import Warehouse, load_settings

app = typer.Typer()


@app.command("rules")
def benchmark_rules(
    work_dir: Annotated[Path, typer.Option(help="New folder for the copy of the warehouse, which the rules change.")],
    repetitions: Annotated[int, typer.Option(help="Boosts and blocks that are measured.", min=1)] = 3,
    warehouse: Warehouse = None,
    json_file: JsonFile = None,
) -> None:
    """Measure rules on a copy of a shop: preview, live lists and stop, and what three ways to boost cost.

    The app runs in a headless Chromium, beside the HTTP service. The warehouse does not change.
    """
    template = load_settings(warehouse=warehouse)
    with console.StepProgress() as progress:
        progress.on_step("measure")
        result = run_rules_benchmark(template, work_dir, repetitions, progress.on_stage)
    with write_at_end(json_file, result):
        console.print_line(f"\n{describe_machine(result.machine)}")
        console.print_line(f"{result.customers:,} customers, {result.products:,} products\n")
        console.print_table(f"Rules, {repetitions} of each kind", [step.model_dump() for step in result.steps])
        print_targets(result.targets, "the demo shop")
        boosts = result.boosts
        console.print_table(
            f"Boosts of {boosts.brands} brands, from the first 20 candidates of {boosts.customers:,} customers: share "
            f"of the NDCG@10 of {boosts.ndcg:.4f} that is lost",
            [
                {
                    "added_places": f"{loss.added_place_points:+.2f} points",
                    "rank_divided": f"{loss.rank_divided_loss:.2%}",
                    "score_multiplied": f"{loss.score_multiplied_loss:.2%}",
                    "fixed_shift": f"{loss.fixed_shift_loss:.2%}",
                }
                for loss in boosts.losses
            ],
        )
    exit_if_missed("rules", result.targets)
