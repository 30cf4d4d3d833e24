"""`recomart bench scoring`: the top-N lists of all customers."""

from typing import Annotated

import typer

from apps.benchmarks.optional_libraries import require_library
from apps.cli import console
from apps.cli.bench_tables import describe_machine, print_targets
from apps.cli.json_files import JsonFile, write_at_end

app = typer.Typer()


@app.command("scoring")
def benchmark_scoring(
    customers: Annotated[int, typer.Option(help="Number of customers.", min=1)] = 50_000,
    products: Annotated[int, typer.Option(help="Number of products in the catalog.", min=1)] = 50_000,
    factors: Annotated[int, typer.Option(help="Length of the factor vectors.", min=1)] = 128,
    history_length: Annotated[
        int, typer.Option(help="Known products of each customer, which are not recommended.", min=1)
    ] = 20,
    n: Annotated[int, typer.Option("-n", help="Length of the lists.", min=1)] = 100,
    seed: Annotated[int, typer.Option(help="Random seed.", min=0)] = 0,
    json_file: JsonFile = None,
) -> None:
    """Compare the top-N lists of all customers with the implicit library.

    Also measures the matrix product alone, as a lower bound of the time.
    """
    require_library("implicit")
    # The module imports implicit, an optional library.
    from apps.benchmarks.scoring_benchmark import ScoringShop, run_scoring_benchmark

    if products < history_length + n:
        raise typer.BadParameter(f"{products:,} products are fewer than --history-length {history_length} plus -n {n}")
    shop = ScoringShop(
        customers=customers, products=products, factors=factors, history_length=history_length, n=n, seed=seed
    )
    with console.StepProgress() as progress:
        progress.on_step("ranking")
        result = run_scoring_benchmark(shop, progress.on_stage)
    with write_at_end(json_file, result):
        console.print_line(f"\n{describe_machine(result.machine)}")
        console.print_line(f"top {n} of {products:,} products for {customers:,} customers, {factors} random factors\n")
        console.print_table("Speed", [row.model_dump() for row in result.contenders])
        console.print_table(
            "Memory of RecoMart", [{"customers": count, "memory_mib": mib} for count, mib in result.memory_mib.items()]
        )
        console.print_line(
            f"RecoMart and implicit recommend the same product at {result.same_product_share:.4%} of all ranks"
        )
        print_targets(result.targets, "50,000 customers and products")
    if not result.is_comparable:
        console.exit_with_error(
            f"benchmark failed: scoring: {result.different_score_count:,} scores of RecoMart and implicit differ"
        )
