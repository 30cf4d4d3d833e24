"""The live model's ranking metrics beside its baselines."""

import pandas as pd

MODEL = "als"
METHODS = {
    MODEL: "This model",
    "item_item": "Item-item",
    "recent_popularity": "Recent popularity",
    "popularity": "Popularity",
    "oracle": "Best possible",
}
METHODS_HELP = (
    "Item-item: what the same customers dealt with as with each product that a customer knows. Recent popularity: what "
    "everybody does, newer actions more. Best possible: what a demo shop's customers truly like."
)
METRICS = {"precision": "Precision", "recall": "Recall", "ndcg": "NDCG"}
MEANINGS = {
    "Precision": "The share of the products shown that the customer took an interest in.",
    "Recall": "The share of what the customer took an interest in that was shown.",
    "NDCG": "How high in the list it stands what the customer took an interest in: 1 if all of it is at the top.",
}
"""What the metrics mean, each from 0 to 1."""


def compare(metrics: pd.DataFrame) -> pd.DataFrame:
    """The test period's rows of `eval_ranking_metrics`, a row for each metric, cut-off and method.

    Returns:
        Columns `metric` and `method` (in words, the method as an ordered category), `k`, `users` and `value`.
    """
    tested = metrics[metrics["cutoff"] == "test"].rename(columns=METRICS)
    names = [*METHODS.values(), *sorted(set(tested["method"]) - set(METHODS))]
    methods = tested["method"].map(lambda method: METHODS.get(method, method))
    return (
        tested.assign(method=pd.Categorical(methods, names, ordered=True))
        .melt(["method", "k", "users"], list(METRICS.values()), var_name="metric")
        .sort_values(["metric", "k", "method"], ignore_index=True)
    )


def as_table(compared: pd.DataFrame) -> pd.DataFrame:
    """One row for each method, one column for each metric at each cut-off, like `NDCG@10`."""
    columns = [f"{metric}@{k}" for metric in METRICS.values() for k in sorted(compared["k"].unique())]
    named = compared.assign(column=compared["metric"] + "@" + compared["k"].astype(str))
    return named.pivot_table(index="method", columns="column", values="value", observed=True)[columns].reset_index()


def lift(compared: pd.DataFrame, metric: str, k: int) -> tuple[float, float]:
    """The model's value of a metric, and by which share it exceeds the popularity baseline; not a number if unknown."""
    at_k = compared[(compared["metric"] == metric) & (compared["k"] == k)].set_index("method")["value"]
    model, baseline = at_k.get(METHODS[MODEL], float("nan")), at_k.get(METHODS["popularity"], float("nan"))
    return float(model), float(model / baseline - 1) if baseline else float("nan")


def certainty(differences: pd.DataFrame, k: int) -> pd.DataFrame:
    """How sure it is that the model is better at one cut-off, a row for each baseline (columns `method`, `METRICS`).

    `differences` are rows of `eval_metric_differences`; a metric reads like `+0.0301 (+0.0212 to +0.0390)`.
    """
    at_k = differences[(differences["k"] == k) & differences["metric"].isin(METRICS)]
    texts = [
        f"{difference:+.4f} ({lower:+.4f} to {upper:+.4f})"
        for difference, lower, upper in at_k[["difference", "lower_bound", "upper_bound"]].to_numpy()
    ]
    named = at_k.assign(method=at_k["method"].map(lambda method: METHODS.get(method, method)), text=texts)
    wide = named.pivot(index="method", columns="metric", values="text").rename(columns=METRICS)
    return wide.reindex(columns=list(METRICS.values())).reset_index()
