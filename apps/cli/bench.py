"""The commands of `recomart bench`."""

from apps.cli.lazy_group import CommandEntry, lazy_app

BENCHMARKS = {
    "pipeline": CommandEntry("bench_pipeline", "Load and build beside a DuckDB script, pandas and polars."),
    "ranking": CommandEntry("bench_ranking", "Tune, train and rank on any interactions, beside the implicit library."),
    "training": CommandEntry("bench_training", "Train on a synthetic shop: seconds of each epoch and peak memory."),
    "scoring": CommandEntry("bench_scoring", "Rank the catalog for all customers, beside the implicit library."),
    "serving": CommandEntry("bench_serving", "Rank for single baskets, in this process and over HTTP."),
}

app = lazy_app(BENCHMARKS)
