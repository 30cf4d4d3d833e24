"""Commands that measure how fast the house is."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from apps.benchmarks.extra import require
from apps.benchmarks.pipeline_benchmark import Outcome, Part, PipelineBench, bench_pipeline, shop_of
from apps.benchmarks.targets import Target
from apps.cli import console
from apps.cli.options import app
from warehouse.errors import RecomartError
from warehouse.settings import PROJECT_ROOT, Settings

bench = typer.Typer(help="Measure how fast the house is.", no_args_is_help=True)
app.add_typer(bench, name="bench")

COLUMNS = ("contender", "seconds", "times_ours", "cpu_seconds", "memory_mib", "largest_process_mib", "tables", "steps")
VERDICTS = {None: "not measured", True: "met", False: "not met"}


@bench.command()
def pipeline(
    work: Annotated[Path, typer.Option(help="Folder for the shop and everyone's tables (10 GB at the full size).")],
    events: Annotated[int, typer.Option(help="Clickstream events, about; a purchase line to every ten.")] = 10_000_000,
    days: Annotated[int, typer.Option(help="Days of history.", min=12)] = 91,
    only: Annotated[str, typer.Option(help="Parts to run, separated by commas.")] = ",".join(Part),
    memory_limit: Annotated[
        str, typer.Option(help="Memory that DuckDB may use, for us and the bare script.")
    ] = Settings.model_fields["memory_limit"].default,
    json_file: Annotated[Path | None, typer.Option("--json", help="File to write all figures to.")] = None,
) -> None:
    """Load and build beside a bare DuckDB script, pandas and polars: seconds, memory, and whether the tables are equal.

    Then the same in 1 GB of memory, and one more day for a warehouse of a month and of a quarter of a year.
    """
    parts = [_part(name.strip()) for name in only.split(",")]
    # The demo shop's own declaration, whatever the environment says of another shop.
    settings = Settings(warehouse=work, sources=PROJECT_ROOT / "warehouse" / "sources.yml", memory_limit=memory_limit)
    with console.StepProgress() as progress:
        result = bench_pipeline(settings, shop_of(events, days), parts, progress)
    if json_file:
        json_file.write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
    _print(result)
    if not result.is_fair:
        console.fail("not everyone got to the end with the same tables; the figures above are no comparison")


@bench.command()
def serve(
    work: Annotated[
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
    folder = work or warehouse
    if folder is None or (work and warehouse):
        raise typer.BadParameter("name either a folder for a made-up shop with --work or a shop's own --warehouse")
    # torch takes a second to import.
    from apps.benchmarks.serving_benchmark import bench_serving
    from apps.benchmarks.synthetic_model import MadeUpShop, make_up

    settings = Settings(warehouse=folder)
    with console.StepProgress() as progress:
        if work is not None:
            progress.on_step("making up")
            make_up(settings, MadeUpShop(products=products, customers=products // 10, factors=factors))
        progress.on_step("asking")
        result = bench_serving(settings, clients, seconds, progress.on_stage)
    if json_file:
        json_file.write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
    factors_from = "random factors" if work is not None else "trained factors"
    console.say(f"\n{_facts(result.machine)}")
    console.say(
        f"{result.products:,} products with {result.factors} {factors_from}; loaded in {result.load_seconds:.2f} s\n"
    )
    console.print_table("One after the other, in this process, on one thread", [result.in_process.model_dump()])
    console.print_table(
        f"{result.clients} clients at once over HTTP", [latency.model_dump() for latency in result.over_http]
    )
    console.say(f"the service answered {result.start_seconds:.1f} s after it was started")
    if not result.is_met:
        console.fail(result.first_error or "a basket took longer than it may at the median")


@bench.command()
def recommend(
    customers: Annotated[int, typer.Option(help="Customers who get a list.", min=1)] = 50_000,
    products: Annotated[int, typer.Option(help="Products to choose from.", min=1)] = 50_000,
    factors: Annotated[int, typer.Option(help="Length of their vectors.", min=1)] = 128,
    seen: Annotated[int, typer.Option(help="Products of every customer that are left out.", min=1)] = 20,
    n: Annotated[int, typer.Option("-n", help="Length of the lists.", min=1)] = 100,
    seed: Annotated[int, typer.Option(help="Seed of everything random.", min=0)] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="File to write all figures to.")] = None,
) -> None:
    """Rank the catalog for all customers beside the bare matrix product and the implicit library's batch."""
    require("implicit")
    # torch takes a second to import.
    from apps.benchmarks.scoring_benchmark import RankedShop, bench_recommending

    if products < seen + n:
        raise typer.BadParameter(f"{products:,} products are fewer than {seen} seen and {n} to list")
    shop = RankedShop(customers=customers, products=products, factors=factors, seen=seen, n=n, seed=seed)
    with console.StepProgress() as progress:
        progress.on_step("ranking")
        result = bench_recommending(shop, progress.on_stage)
    if json_file:
        json_file.write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
    console.say(f"\n{_facts(result.machine)}")
    console.say(f"top {n} of {products:,} products for {customers:,} customers, {factors} random factors\n")
    console.print_table("The same customers in turns", [row.model_dump() for row in result.contenders])
    console.print_table(
        "Memory of ours", [{"customers": of, "memory_mib": mib} for of, mib in result.memory_mib.items()]
    )
    console.say(f"ours and implicit list the same product at {result.same_product:.4%} of all places")
    _print_targets(result.targets)
    if not result.is_fair:
        console.fail(f"the scores of ours and implicit differ at {result.other_score:,} places")


@bench.command()
def train(
    customers: Annotated[int, typer.Option(help="Customers of the made-up shop.", min=1)] = 1_000_000,
    products: Annotated[int, typer.Option(help="Its products.", min=1)] = 200_000,
    interactions: Annotated[
        int, typer.Option(help="Its pairs of a customer and a product, about.", min=1)
    ] = 50_000_000,
    factors: Annotated[int, typer.Option(help="Length of the vectors to learn.", min=1)] = 64,
    sweeps: Annotated[int, typer.Option(help="Passes over all products and all customers.", min=1)] = 2,
    device: Annotated[
        Literal["cpu", "cuda"] | None, typer.Option(help="Not given, the CPU and then the GPU, when there is one.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.", min=0)] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="File to write all figures to.")] = None,
) -> None:
    """Train on a made-up shop in a fresh process: seconds of each sweep, and the peak memory."""
    # torch takes a second to import.
    from apps.benchmarks.training_benchmark import TrainedShop, bench_training

    shop = TrainedShop(customers=customers, products=products, interactions=interactions, seed=seed)
    result = bench_training(shop, factors, sweeps, device)
    if json_file:
        json_file.write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
    console.say(f"\n{_facts(result.machine)}")
    console.say(f"{customers:,} customers, {products:,} products, {factors} factors\n")
    rows = [
        {
            **found.model_dump(exclude={"sweep_seconds", "loss"}),
            "seconds_per_sweep": ", ".join(f"{seconds:.1f}" for seconds in found.sweep_seconds),
            "loss": ", ".join(f"{loss:.4f}" for loss in found.loss),
        }
        for found in result.figures
    ]
    console.print_table("Training", rows)
    _print_targets(result.targets)


def _facts(machine: dict[str, str | int | float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in machine.items())


def _part(name: str) -> Part:
    try:
        return Part(name)
    except ValueError:
        raise RecomartError(f"--only {name}: there is no such part; choose among {', '.join(Part)}") from None


def _print(result: PipelineBench) -> None:
    console.say(f"\n{_facts(result.machine)}, DuckDB's memory limit {result.memory_limit}")
    console.say(
        f"{result.shop.events:,} events, {result.shop.purchases:,} purchase lines, {result.shop.files:,} files\n"
    )
    ours = next((outcome.measured for outcome in result.outcomes if outcome.part is Part.OURS), None)
    console.print_table("Everyone", [_row(outcome, ours.seconds if ours else None) for outcome in result.outcomes])
    for outcome in result.outcomes:
        if outcome.failure:
            console.say(f"{outcome.part} failed: {outcome.failure}")
        if outcome.differences:
            console.print_table(f"{outcome.part} differs", [found.model_dump() for found in outcome.differences])
    if result.increments:
        days = (result.increments.early, result.increments.late)
        rows = [
            {
                "one more day": day.days_before + 1,
                "lines": day.lines,
                "seconds": round(day.measured.seconds, 1),
                "cpu_seconds": round(day.measured.cpu_seconds, 1),
                "memory_mib": day.measured.together_mib,
                "steps": _steps(day.measured.steps),
            }
            for day in days
        ]
        console.print_table("One more day", rows)
    _print_targets(result.targets)


def _print_targets(targets: Sequence[Target]) -> None:
    rows = [{**target.model_dump(exclude={"is_met"}), "verdict": VERDICTS[target.is_met]} for target in targets]
    console.print_table("Targets", rows)


def _row(outcome: Outcome, our_seconds: float | None) -> dict[str, str | int | float | None]:
    measured = outcome.measured
    row: dict[str, str | int | float | None] = dict.fromkeys(COLUMNS)
    row |= {"contender": outcome.part, "tables": "not compared"}
    if outcome.differences is not None:
        row["tables"] = "different" if outcome.differences else "equal"
    if measured is None:
        return row | {"tables": "failed"}
    return row | {
        "seconds": round(measured.seconds, 1),
        "times_ours": our_seconds and round(measured.seconds / our_seconds, 2),
        "cpu_seconds": round(measured.cpu_seconds, 1),
        "memory_mib": measured.together_mib,
        "largest_process_mib": measured.largest_mib,
        "steps": _steps(measured.steps),
    }


def _steps(steps: dict[str, float]) -> str:
    return ", ".join(f"{step} {seconds:.1f} s" for step, seconds in steps.items())
