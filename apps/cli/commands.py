"""The table of all `recomart` commands, in the order of the help page.

Each summary equals the first line of the command's docstring; a test compares them.
"""

from apps.cli.lazy_group import CommandEntry, create_lazy_app

COMMANDS = {
    "demo": CommandEntry("pipeline", "Generate the demo shop, run the whole pipeline on it, and show the results."),
    "demo-data": CommandEntry("pipeline", "Write the landing files of a synthetic shop and the truth behind them."),
    "run": CommandEntry("pipeline", "Run the whole pipeline: fetch, load, build, train, score, evaluate and publish."),
    "sources": CommandEntry("sources", "Draft a sources file from a folder of files, or check one on the first rows."),
    "fetch": CommandEntry("data", "Fetch each feed that declares a web API into a new landing file."),
    "load": CommandEntry("data", "Load new and changed landing files into the raw tables."),
    "reload": CommandEntry("data", "Load files again, selected by path, by date, or both."),
    "rejected": CommandEntry("data", "Show the lines and files that the loader rejected, with the reasons."),
    "status": CommandEntry(
        "data", "Show the rows of each feed by status: clean, duplicate, excluded, quarantined, rejected."
    ),
    "audit": CommandEntry("data", "Show the rows of the newest days, compared with the usual figures."),
    "accept": CommandEntry(
        "acceptances",
        "Accept a failed test of the data, so that later steps read its tables; or list failures and acceptances.",
    ),
    "quarantined": CommandEntry("data", "Show quarantined rows with the reasons and remedies."),
    "customer": CommandEntry("customer_data", "Show which tables have rows of a customer, or export these rows."),
    "forget": CommandEntry(
        "customer_data", "Erase a customer from the files, tables, datasets, models and published copies."
    ),
    "profile": CommandEntry("profile_page", "Write an HTML page of charts that describe the shop's data."),
    "train": CommandEntry("training_commands", "Train a model on the current marts, evaluate it, and apply the gates."),
    "models": CommandEntry("models", "List the trained models: serving, earlier and rejected ones, with the reasons."),
    "promote": CommandEntry(
        "training_commands", "Make a model serve: score with it, build the recommendations and publish them."
    ),
    "tune": CommandEntry(
        "training_commands", "Search for the training settings that rank best in the validation window."
    ),
    "trade-offs": CommandEntry(
        "training_commands", "Show what the popularity damping and the re-ranking cost in NDCG, and what they gain."
    ),
    "evaluate": CommandEntry("models", "Show the ranking metrics of the published model and the baselines."),
    "effect": CommandEntry(
        "effect_command", "Show what recommendations did: impressions, clicks, sales, and the verdicts of experiments."
    ),
    "off-policy": CommandEntry(
        "models", "Estimate from the log what customers would have done with the lists of a model that does not serve."
    ),
    "datasets": CommandEntry("datasets", "List the versions of the training data, or compare two."),
    "recommend": CommandEntry(
        "recommendations", "Show recommendations for a customer, a basket, a product's page or a category."
    ),
    "similar": CommandEntry("recommendations", "Show the products most similar to a product."),
    "explain": CommandEntry(
        "recommendations", "Show how much each product of a history or basket adds to a product's score."
    ),
    "rules": CommandEntry(
        "rules", "Add, submit, stop, undo and list merchandising rules, and build the lists by them."
    ),
    "customers": CommandEntry("published_copies", "List customers, the most active first."),
    "publish": CommandEntry("published_copies", "Publish the current recommendations."),
    "published": CommandEntry("published_copies", "Show which published copy is live, with its data and model."),
    "backup": CommandEntry(
        "backups", "Copy the database, models, datasets and live copy into a new folder, and verify the copy."
    ),
    "restore": CommandEntry("backups", "Restore the warehouse from a backup."),
    "app": CommandEntry(
        "merchandiser_app", "Start the Streamlit app for merchandisers: customers, products, and merchandising rules."
    ),
    "serve": CommandEntry("http_service", "Serve recommendations over HTTP; see docs/serving.md."),
    "keys": CommandEntry("api_key_commands", "Add, list and revoke the API keys of the HTTP service."),
    "bench": CommandEntry("bench", "Measure speed, memory and ranking quality, compared with other libraries."),
}

app = create_lazy_app(
    COMMANDS,
    name="recomart",
    help="Turn a shop's raw files into personal recommendations, in one DuckDB warehouse.",
    pretty_exceptions_enable=False,
)
