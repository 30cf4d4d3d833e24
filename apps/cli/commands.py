"""The commands of `recomart`."""

from apps.cli.lazy_group import CommandEntry, lazy_app

COMMANDS = {
    "demo": CommandEntry("pipeline", "Generate the demo shop, run the whole pipeline on it, and show the results."),
    "demo-data": CommandEntry("pipeline", "Write the landing files of a synthetic shop and the truth behind them."),
    "run": CommandEntry("pipeline", "Fetch, load, build, train, score, evaluate and publish, as Dagster's job does."),
    "fetch": CommandEntry("data", "Fetch the feeds that declare a web service, each into one new landing file."),
    "load": CommandEntry("data", "Load new and changed landing files into the raw tables."),
    "reload": CommandEntry("data", "Load files again, selected by path, by date, or both."),
    "rejected": CommandEntry("data", "Show the lines and files that the loader rejected, with the reasons."),
    "status": CommandEntry("data", "Show the row accounting of each feed: rows by status."),
    "audit": CommandEntry("data", "Show the newest days of each feed beside the usual figures, warnings first."),
    "quarantined": CommandEntry("data", "Show quarantined rows as delivered, with the reasons and remedies."),
    "profile": CommandEntry("data", "Write one HTML page of charts that describe the shop's data."),
    "train": CommandEntry("models", "Train on the current marts, evaluate, and apply the gates."),
    "models": CommandEntry("models", "List the trained models: serving, earlier, and rejected ones with the reasons."),
    "promote": CommandEntry("models", "Make a model serve: score with it, build the lists, and publish them."),
    "tune": CommandEntry("models", "Search for the settings that rank best in the validation window."),
    "evaluate": CommandEntry("models", "Show the ranking metrics of the published model beside its baselines."),
    "datasets": CommandEntry("datasets", "List the versions of the training data, or compare two."),
    "recommend": CommandEntry("recommendations", "Show recommendations for a customer or a basket."),
    "similar": CommandEntry("recommendations", "Show the products most similar to a product."),
    "explain": CommandEntry("recommendations", "Show what each past interaction adds to a product's score."),
    "customers": CommandEntry("recommendations", "List customers, the most active first."),
    "publish": CommandEntry("recommendations", "Publish the current recommendations."),
    "published": CommandEntry("recommendations", "Show which copy is live, since when, and its data and model."),
    "serve": CommandEntry("recommendations", "Serve recommendations over HTTP; see docs/serving.md."),
    "bench": CommandEntry("bench", "Measure speed, memory and ranking quality beside other libraries."),
}


app = lazy_app(
    COMMANDS,
    name="recomart",
    help="From a shop's raw files to personal recommendations, in one DuckDB warehouse.",
    pretty_exceptions_enable=False,
)
