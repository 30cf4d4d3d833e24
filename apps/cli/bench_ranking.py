"""`recomart bench ranking`: ranking quality on interaction files or a dataset version."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from apps.benchmarks.ranking_benchmark import run_ranking_benchmark
from apps.benchmarks.ranking_differences import NdcgDifference
from apps.benchmarks.ranking_results import SplitSource
from apps.cli import console
from apps.cli.bench_tables import format_relative_difference, print_targets
from apps.cli.json_files import JsonFile, write_at_end
from apps.cli.options import Warehouse, load_settings
from models_ml.config import TrainConfig
from models_ml.data.interaction_files import find_ignored_columns
from models_ml.evaluation.holdout import Holdout
from models_ml.evaluation.split import MAX_FOLDS
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
    train: Annotated[Path | None, typer.Option(help="Training interactions: a .csv, .parquet or .txt file.")] = None,
    valid: Annotated[Path | None, typer.Option(help="Interactions for tuning; a tenth of --train by default.")] = None,
    test: Annotated[Path | None, typer.Option(help="Interactions for the measurement; never used for tuning.")] = None,
    holdout: Annotated[
        Holdout | None,
        typer.Option(help="Pairs of --train for tuning: the last of each customer, random, or the newest of all."),
    ] = None,
    folds: Annotated[
        int | None,
        typer.Option(help="Validation folds; by default several when one has few customers.", min=1, max=MAX_FOLDS),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Start of the hash of a dataset version to use instead of files.")
    ] = None,
    k: Annotated[int, typer.Option("-k", help="Length of the lists.", min=1)] = 20,
    tune_seconds: Annotated[
        float, typer.Option(help="Seconds to search for settings; 0 keeps the defaults.", min=0)
    ] = 0,
    against: Annotated[list[str] | None, typer.Option(help="Library to compare with: implicit.")] = None,
    ablate: Annotated[bool, typer.Option(help="Also measure RecoMart's model without each of its parts.")] = False,
    tuning_users: Annotated[
        int, typer.Option(help="Maximum number of validation customers for tuning, evenly spaced.", min=1)
    ] = 5_000,
    seed: Annotated[int, typer.Option(help="Random seed.", min=0)] = 0,
    json_file: JsonFile = None,
    warehouse: Warehouse = None,
) -> None:
    """Compare ranking quality with the implicit library on any interactions.

    Tunes on --valid, trains on --train and --valid, and measures the top K lists of all customers in --test.
    Files have the columns user_id, item_id[, weight][, timestamp].
    A .txt file has lines of the form `user item item ...` or `user item 1`.
    Training pairs are neither recommended nor counted as relevant.
    """
    has_files = train is not None and test is not None
    has_any_file = any(file is not None for file in (train, valid, test))
    if has_any_file if dataset is not None else not has_files:
        raise RecomartError("input failed: give either --train and --test (and optionally --valid), or --dataset")
    if holdout is not None and (valid is not None or dataset is not None):
        raise RecomartError(
            f"--holdout {holdout} failed: {'--valid' if valid is not None else '--dataset'} already has the validation "
            "part. Leave one of the two out"
        )
    if folds is not None and dataset is not None:
        raise RecomartError(f"--folds {folds} failed: --dataset has one validation window. Leave --folds out")
    settings = load_settings(warehouse=warehouse)
    files = SplitSource(
        train=train,
        valid=valid,
        test=test,
        datasets_dir=settings.datasets_dir,
        dataset_hash=None if dataset is None else find_version(settings, dataset),
        holdout=holdout,
        folds=folds,
    )
    config = TrainConfig(
        k_values=(k,),
        selection_k=k,
        max_selection_users=tuning_users,
        seed=seed,
        # The libraries run on the CPU only.
        device="cpu" if against else "auto",
    )
    for file in (train, valid, test):
        if file and (ignored_columns := find_ignored_columns(file)):
            console.print_line(
                f"{file}: ignored columns: {', '.join(ignored_columns)}. The columns that count are user_id, item_id, "
                "weight and timestamp; rename one to use it"
            )
    result = run_ranking_benchmark(files, config, tune_seconds, tuple(against or ()), ablate=ablate)
    with write_at_end(json_file, result):
        console.print_line(f"Validation: {result.split.origin}")
        rows = [method_result.model_dump(include=set(RANKING_COLUMNS)) for method_result in result.results]
        console.print_table(f"Top {k}", [{name: _round_value(row[name]) for name in RANKING_COLUMNS} for row in rows])
        if not any(method_result.method == "ease" for method_result in result.results):
            console.print_line(
                f"Without EASE: there are more than max_ease_products ({config.max_ease_products:,}) products.\n"
            )
        console.print_table(
            "Recall by number of the product's customers in training: new 0, rare 1 to 9, warm 10 or more",
            [
                {
                    "method": method_result.method,
                    **{kind: _round_value(part) for kind, part in method_result.recall_by_product_group.items()},
                }
                for method_result in result.results
            ],
        )
        console.print_table(
            f"NDCG@{k} of als minus that of other methods, with 95 % intervals",
            [*map(_format_difference, result.differences)],
        )
        for method_result in result.results:
            _print_settings(method_result.method, method_result.config)
        for comparison in result.comparisons:
            console.print_table(
                f"RecoMart compared with {comparison.method}",
                [{name: _round_value(value) for name, value in comparison.model_dump(exclude={"method"}).items()}],
            )
        print_targets(result.targets, "the measured data")


def _format_difference(difference: NdcgDifference) -> dict[str, str]:
    absolute = (difference.difference, difference.lower_bound, difference.upper_bound)
    return {
        "method": difference.method,
        "difference": "{:+.4f} ({:+.4f} to {:+.4f})".format(*absolute),
        "relative": format_relative_difference(difference),
    }


def _print_settings(label: str, settings: Mapping[str, object]) -> None:
    """Print the settings on one line, and each nested group of settings on another line."""
    single = [f"{name} {_round_value(value)}" for name, value in settings.items() if not isinstance(value, Mapping)]
    if single:
        console.print_line(f"{label}: {', '.join(single)}")
    for name, group in settings.items():
        if isinstance(group, Mapping):
            _print_settings(f"{label}, {name}", group)


def _round_value(value: object) -> object:
    return round(value, 5 if abs(value) < 1 else 1) if isinstance(value, float) else value
