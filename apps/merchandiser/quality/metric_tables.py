"""Tables of the ranking metrics of the published model and the baselines."""

import pandas as pd

MODEL_METHOD = "als"
METHOD_LABELS = {
    MODEL_METHOD: "This model",
    "item_item": "Item-item",
    "user_item_graph": "User-item graph",
    "ease": "EASE",
    "buy_again": "Buy again",
    "recent_popularity": "Recent popularity",
    "popularity": "Popularity",
    "oracle": "Best possible",
}
METHODS_HELP = (
    "Item-item: products that share customers with the customer's past products. User-item graph: the same, smoothed "
    "by the main patterns of all histories. EASE: a linear model of all pairs of products. Buy again: the customer's "
    "most bought products, then popular ones. Recent popularity: popular products, where newer actions count more. "
    "Best possible: the real preferences of a demo shop's customers. "
    "Without ...: the model without a feature that an analyst declared."
)
METRIC_LABELS = {"precision": "Precision", "recall": "Recall", "ndcg": "NDCG"}
METRIC_HELP = {
    "Precision": "Share of the recommended products that the customer was interested in.",
    "Recall": "Share of the products of interest that were recommended.",
    "NDCG": "Measures how high the products of interest rank: 1 if all of them are at the top.",
}
"""Explanations of the metrics; each metric is between 0 and 1."""


def melt_metrics(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return rows of `eval_ranking_metrics` with one row per metric, k and method.

    Returns:
        Columns `metric` and `method` (labels, the method as an ordered category), `k`, `users` and `value`.
    """
    labelled_rows = metrics.rename(columns=METRIC_LABELS)
    other_labels = map(label_method, sorted(set(labelled_rows["method"]) - set(METHOD_LABELS)))
    labels = [*METHOD_LABELS.values(), *other_labels]
    methods = labelled_rows["method"].map(label_method)
    return (
        labelled_rows.assign(method=pd.Categorical(methods, labels, ordered=True))
        .melt(["method", "k", "users"], list(METRIC_LABELS.values()), var_name="metric")
        .sort_values(["metric", "k", "method"], ignore_index=True)
    )


def pivot_metrics(metrics: pd.DataFrame) -> pd.DataFrame:
    """Return one row per method and one column per metric and k, such as `NDCG@10`."""
    columns = [f"{metric}@{k}" for metric in METRIC_LABELS.values() for k in sorted(metrics["k"].unique())]
    labelled_metrics = metrics.assign(column=metrics["metric"] + "@" + metrics["k"].astype(str))
    return labelled_metrics.pivot_table(index="method", columns="column", values="value", observed=True)[
        columns
    ].reset_index()


def compute_gain_over_popularity(metrics: pd.DataFrame, metric: str, k: int) -> tuple[float, float]:
    """Return the model's metric and its gain over the popularity baseline (0.5: 50 % more); NaN if unknown."""
    at_k = metrics[(metrics["metric"] == metric) & (metrics["k"] == k)].set_index("method")["value"]
    model, baseline = (
        at_k.get(METHOD_LABELS[MODEL_METHOD], float("nan")),
        at_k.get(METHOD_LABELS["popularity"], float("nan")),
    )
    return float(model), float(model / baseline - 1) if baseline else float("nan")


def format_differences(differences: pd.DataFrame, k: int) -> pd.DataFrame:
    """Return the differences of the model to each baseline at one k, with their intervals.

    `differences` are rows of `eval_metric_differences`. The columns are `method` and the labels of the metrics, with
    texts such as `+0.0301 (+0.0212 to +0.0390)`.
    """
    at_k = differences[(differences["k"] == k) & differences["metric"].isin(METRIC_LABELS)]
    texts = [
        f"{difference:+.4f} ({lower:+.4f} to {upper:+.4f})"
        for difference, lower, upper in at_k[["difference", "lower_bound", "upper_bound"]].to_numpy()
    ]
    labelled_rows = at_k.assign(method=at_k["method"].map(label_method), text=texts)
    table = labelled_rows.pivot(index="method", columns="metric", values="text").rename(columns=METRIC_LABELS)
    return table.reindex(columns=list(METRIC_LABELS.values())).reset_index()


def label_method(method: str) -> str:
    """Return the label of a method, such as `Without feat_user_plan.plan`."""
    return METHOD_LABELS.get(method, method[:1].upper() + method[1:])
