"""The commands of `recomart bench`."""

from apps.cli.lazy_group import CommandEntry, create_lazy_app

BENCHMARKS = {
    "pipeline": CommandEntry("bench_pipeline", "Compare loading and building with a DuckDB script, pandas and polars."),
    "ranking": CommandEntry("bench_ranking", "Compare ranking quality with the implicit library on any interactions."),
    "ranking-summary": CommandEntry(
        "bench_ranking_summary", "Show results of `recomart bench ranking` on several data sets in one table."
    ),
    "training": CommandEntry(
        "bench_training", "Measure training on a synthetic shop: seconds of each epoch and peak memory."
    ),
    "scoring": CommandEntry("bench_scoring", "Compare the top-N lists of all customers with the implicit library."),
    "serving": CommandEntry(
        "bench_serving", "Measure recommendations for single baskets, in this process and over HTTP."
    ),
    "publishing": CommandEntry("bench_publishing", "Measure a publication, and the log of the lists that it changed."),
    "app": CommandEntry("bench_app", "Measure the pages of the app on a large shop, in a headless Chromium."),
    "rules": CommandEntry(
        "bench_rules",
        "Measure rules on a copy of a shop: preview, live lists and stop, and what three ways to boost cost.",
    ),
    "effect-build": CommandEntry(
        "bench_effect_build",
        "Measure the build of the effect marts for a month of lists, without and with impressions.",
    ),
    "effect": CommandEntry(
        "bench_effect",
        "Measure experiments in simulated shops, and compare intervals and verdicts with the planted effect.",
    ),
    "stress": CommandEntry(
        "bench_stress", "Send random and hostile requests to the service while new versions are published."
    ),
}

app = create_lazy_app(BENCHMARKS, help="Measure speed, memory and ranking quality, compared with other libraries.")
