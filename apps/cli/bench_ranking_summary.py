"""`recomart bench ranking-summary`: the ranking benchmark over several data sets."""

from pathlib import Path
from typing import Annotated

import typer

from apps.benchmarks.ranking_results import LIBRARY
from apps.benchmarks.ranking_summary import SEARCH_SECONDS, DatasetSummary, summarize_results
from apps.cli import console
from apps.cli.bench_tables import format_relative_difference, print_targets
from apps.cli.json_files import JsonFile, write_at_end

app = typer.Typer()


@app.command("ranking-summary")
def summarize_ranking(
    files: Annotated[list[Path], typer.Argument(help="Files of `recomart bench ranking --json`, one per data set.")],
    json_file: JsonFile = None,
) -> None:
    """Show results of `recomart bench ranking` on several data sets in one table.

    Each file's name without its ending is the name of the data set.
    """
    summary = summarize_results(files)
    with write_at_end(json_file, summary):
        datasets = summary.datasets
        console.print_table(f"Ranking benchmark, NDCG@{summary.k}", [_build_row(dataset) for dataset in datasets])
        methods = dict.fromkeys(method for dataset in datasets for method in dataset.ablation_ndcgs)
        console.print_table(
            "NDCG without a part of the model, relative to als",
            [
                {"dataset": dataset.name}
                | {method: _format_ratio(dataset.ablation_ndcgs.get(method)) for method in methods}
                for dataset in datasets
                if dataset.ablation_ndcgs
            ],
        )
        print_targets(summary.targets, "searches of ten minutes")


def _build_row(dataset: DatasetSummary) -> dict[str, object]:
    values, search = dataset.target_values, dataset.search
    shares = search.ndcg_shares if search else {}
    return {
        "dataset": dataset.name,
        "user_count": dataset.user_count,
        "tuned": dataset.tuned_ndcg,
        "default": dataset.default_ndcg,
        LIBRARY: dataset.library_ndcg,
        "best_baseline": f"{dataset.baseline_ndcg:.4f} {values.best_baseline}",
        f"over_{LIBRARY}": format_relative_difference(dataset.library_difference),
        "over_best_baseline": format_relative_difference(dataset.baseline_difference),
        "default / tuned": _format_ratio(values.default_ndcg_versus_tuned),
        "time_share": values.training_seconds_share,
        "trials / min": search.trials_per_minute if search else None,
        **{f"{seconds} s": shares.get(seconds) for seconds in SEARCH_SECONDS},
    }


def _format_ratio(ratio: float | None) -> str | None:
    return None if ratio is None else f"{ratio:.3f}"
