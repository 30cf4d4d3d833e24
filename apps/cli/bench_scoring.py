"""`recomart bench scoring`: top-N lists for all customers."""

from pathlib import Path
from typing import Annotated

import typer

from apps.benchmarks.optional_libraries import require_library
from apps.cli import console
from apps.cli.bench_tables import describe_machine, print_targets

app = typer.Typer()


@app.command("scoring")
def benchmark_scoring(
    customers: Annotated[int, typer.Option(help="Customers who get a list.", min=1)] = 50_000,
    products: Annotated[int, typer.Option(help="Products to choose from.", min=1)] = 50_000,
    factors: Annotated[int, typer.Option(help="Length of their vectors.", min=1)] = 128,
    history_length: Annotated[int, typer.Option(help="Products of every customer that are left out.", min=1)] = 20,
    n: Annotated[int, typer.Option("-n", help="Length of the lists.", min=1)] = 100,
    seed: Annotated[int, typer.Option(help="Seed of everything random.", min=0)] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="File to write all figures to.")] = None,
) -> None:
    """Rank the catalog for all customers beside the bare matrix product and the implicit library's batch."""
    require_library("implicit")
    # implicit is an optional library: without it this import fails.
    from apps.benchmarks.scoring_benchmark import ScoringShop, run_scoring_benchmark

    if products < history_length + n:
        raise typer.BadParameter(f"{products:,} products are fewer than {history_length} seen and {n} to list")
    shop = ScoringShop(
        customers=customers, products=products, factors=factors, history_length=history_length, n=n, seed=seed
    )
    with console.StepProgress() as progress:
        progress.on_step("ranking")
        result = run_scoring_benchmark(shop, progress.on_stage)
    if json_file:
        json_file.write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
    console.print_line(f"\n{describe_machine(result.machine)}")
    console.print_line(f"top {n} of {products:,} products for {customers:,} customers, {factors} random factors\n")
    console.print_table("The same customers in turns", [row.model_dump() for row in result.contenders])
    console.print_table(
        "Memory of ours", [{"customers": of, "memory_mib": mib} for of, mib in result.memory_mib.items()]
    )
    console.print_line(f"ours and implicit list the same product at {result.same_product_share:.4%} of all places")
    print_targets(result.targets)
    if not result.is_comparable:
        console.exit_with_error(f"the scores of ours and implicit differ at {result.different_score_count:,} places")
