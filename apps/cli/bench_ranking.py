"""`recomart bench ranking`: ranking quality on interaction files or a dataset version."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from apps.benchmarks.ranking_benchmark import run_ranking_benchmark
from apps.benchmarks.ranking_results import SplitSource
from apps.cli import console
from apps.cli.options import Warehouse, load_settings
from models_ml.config import TrainConfig
from orchestration.dataset_versions import find_version
from warehouse.errors import RecomartError

app = typer.Typer()


RANKING_COLUMNS = (
    "method",
    "user_count",
    "recall",
    "precision",
    "ndcg",
    "hit_rate",
    "tune_seconds",
    "fit_seconds",
    "peak_memory_mib",
)


@app.command("ranking")
def benchmark_ranking(
    train: Annotated[Path | None, typer.Option(help="Interactions to learn from: .csv, .parquet or .txt.")] = None,
    valid: Annotated[
        Path | None, typer.Option(help="Interactions to tune on; a tenth of train when not given.")
    ] = None,
    test: Annotated[Path | None, typer.Option(help="Interactions to be measured on; nothing is tuned on them.")] = None,
    dataset: Annotated[
        str | None, typer.Option(help="In place of files, the windows of a dataset version, by the start of its hash.")
    ] = None,
    k: Annotated[int, typer.Option("-k", help="Length of the lists.", min=1)] = 20,
    tune_seconds: Annotated[
        float, typer.Option(help="Seconds to search for settings; 0 takes the defaults.", min=0)
    ] = 0,
    against: Annotated[list[str] | None, typer.Option(help="A library to compare with: implicit.")] = None,
    ablate: Annotated[bool, typer.Option(help="Measure our model without content and without trends, too.")] = False,
    tuning_users: Annotated[
        int, typer.Option(help="Most customers of validation that settings are chosen by, evenly spaced.", min=1)
    ] = 5_000,
    seed: Annotated[int, typer.Option(help="Seed of everything random.", min=0)] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", help="File to write all figures to.")] = None,
    warehouse: Warehouse = None,
) -> None:
    """Tune on validation, train on train and validation, and measure the top K of everybody in test.

    Files hold user_id, item_id[, weight][, timestamp]; a .txt holds `user item item ...` or `user item 1` a line. Pairs
    that are known already are neither listed nor relevant.
    """

    has_files = train is not None and test is not None
    has_any_file = any(file is not None for file in (train, valid, test))
    if has_any_file if dataset is not None else not has_files:
        raise RecomartError("give --train and --test (and --valid), or --dataset and none of them")
    settings = load_settings(warehouse=warehouse)
    files = SplitSource(
        train=train,
        valid=valid,
        test=test,
        datasets_dir=settings.datasets_dir,
        dataset_hash=None if dataset is None else find_version(settings, dataset),
    )
    if json_file and not json_file.absolute().parent.is_dir():
        raise RecomartError(f"--json {json_file}: there is no folder {json_file.absolute().parent}")
    config = TrainConfig(
        k_values=(k,),
        selection_k=k,
        max_selection_users=tuning_users,
        seed=seed,
        # The libraries that we stand beside have the CPU alone.
        device="cpu" if against else "auto",
    )
    result = run_ranking_benchmark(files, config, tune_seconds, tuple(against or ()), ablate=ablate)
    if json_file:
        json_file.write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
    rows = [figures.model_dump(include=set(RANKING_COLUMNS)) for figures in result.results]
    console.print_table(f"Top {k}", [{name: _round_value(row[name]) for name in RANKING_COLUMNS} for row in rows])
    console.print_table(
        "Recall by how many customers a product had before: none, fewer than 10, more",
        [
            {
                "method": figures.method,
                **{kind: _round_value(part) for kind, part in figures.recall_by_product_group.items()},
            }
            for figures in result.results
        ],
    )
    for figures in result.results:
        _print_settings(figures.method, figures.config)
    for comparison in result.comparisons:
        console.print_table(
            f"Beside {comparison.method}",
            [{name: _round_value(value) for name, value in comparison.model_dump(exclude={"method"}).items()}],
        )


def _print_settings(label: str, settings: Mapping[str, object]) -> None:
    """Print settings on a line; those that are a group of their own, on one of theirs."""
    single = [f"{name} {_round_value(value)}" for name, value in settings.items() if not isinstance(value, Mapping)]
    if single:
        console.print_line(f"{label}: {', '.join(single)}")
    for name, group in settings.items():
        if isinstance(group, Mapping):
            _print_settings(f"{label}, {name}", group)


def _round_value(value: object) -> object:
    return round(value, 5 if abs(value) < 1 else 1) if isinstance(value, float) else value
