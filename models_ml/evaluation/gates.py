"""Gates that a new model must pass to serve: comparisons with the baselines and with the serving model."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from models_ml.config import GatePolicy
from models_ml.evaluation.comparison import ModelComparison
from models_ml.evaluation.report import ABLATION_PREFIX, MODEL_METHOD
from models_ml.evaluation.segments import OVERALL
from models_ml.inference.artifact import ModelCard

METHOD_NAMES = {
    "item_item": "item-item",
    "user_item_graph": "the user-item graph",
    "ease": "EASE",
    "recent_popularity": "recent popularity",
    "buy_again": "buy again",
}
"""Names of the baselines in findings, where they differ from the values of the column `method`."""


@dataclass(frozen=True)
class GateResult:
    """Result of one gate for one model."""

    gate: str
    is_passed: bool
    finding: str
    """The measured values, as text."""


def evaluate_gates(
    card: ModelCard,
    differences: pa.Table,
    policy: GatePolicy,
    serving_card: ModelCard | None = None,
    comparison: ModelComparison | None = None,
) -> list[GateResult]:
    """Return the results of all gates for the model of `card`.

    `differences` are the model's rows of ml.metric_differences. `serving_card` and `comparison` describe the serving
    model; the gates against the serving model are skipped when there is none.
    """
    gates = [*_check_baselines(differences, policy.k)]
    if serving_card is None:
        return gates
    return [*gates, *_check_serving_model(comparison, policy), *_check_reach(card, serving_card, policy)]


def describe_failures(gates: list[GateResult]) -> str | None:
    """Return the findings of the failed gates as one text, None when all gates passed."""
    return "; ".join(gate.finding for gate in gates if not gate.is_passed) or None


def _check_baselines(differences: pa.Table, k: int) -> Iterator[GateResult]:
    for row in differences.to_pylist():
        is_baseline = row["method"] != "oracle" and not row["method"].startswith(ABLATION_PREFIX)
        is_compared = row["cutoff"] == "test" and row["segment"] == OVERALL and is_baseline
        if not is_compared or (row["metric"], row["k"]) != ("ndcg", k):
            continue
        method = METHOD_NAMES.get(row["method"], row["method"])
        interval = f"{row['lower_bound']:+.4f} to {row['upper_bound']:+.4f}"
        # The model must be better than popularity, and not significantly worse than the other baselines.
        is_passed = row["difference"] > 0 if row["method"] == "popularity" else row["upper_bound"] >= 0
        yield GateResult(
            f"versus_{row['method']}",
            is_passed,
            f"NDCG@{k} differs by {row['difference']:+.4f} ({interval}) from {method}",
        )


def _check_serving_model(comparison: ModelComparison | None, policy: GatePolicy) -> Iterator[GateResult]:
    if comparison is None:
        yield GateResult("versus_serving_model", True, "the serving model's test window has no customers to evaluate")
        return
    yield GateResult(
        "versus_serving_model",
        comparison.upper_bound >= -policy.max_loss * comparison.serving_ndcg,
        f"NDCG@{comparison.k} in the serving model's test window is {comparison.new_ndcg:.4f}, the serving model's is "
        f"{comparison.serving_ndcg:.4f} ({comparison.lower_bound:+.4f} to {comparison.upper_bound:+.4f}), both without "
        "popularity damping and re-ranking",
    )
    if comparison.user_count >= policy.min_evaluated_users:
        possible_loss = max(0.0, -comparison.lower_bound) / comparison.serving_ndcg if comparison.serving_ndcg else 0.0
        yield GateResult(
            "possible_loss",
            possible_loss <= policy.max_possible_loss,
            f"NDCG@{comparison.k} in the serving model's test window is at most {possible_loss:.2%} below the serving "
            "model's (lower end of the 95 % interval)",
        )


def _check_reach(card: ModelCard, serving_card: ModelCard, policy: GatePolicy) -> Iterator[GateResult]:
    """Yield the gates of catalog coverage and number of customers."""
    new_coverage, serving_coverage = (_get_coverage(model_card, policy.k) for model_card in (card, serving_card))
    if new_coverage is not None and serving_coverage is not None:
        yield GateResult(
            "coverage",
            new_coverage >= policy.min_coverage * serving_coverage,
            f"the lists cover {new_coverage:.1%} of the catalog, the serving model's lists {serving_coverage:.1%}",
        )
    yield GateResult(
        "customers_served",
        card.users >= (1 - policy.max_customers_lost) * serving_card.users,
        f"the model has {card.users:,} known customers, the serving model {serving_card.users:,}",
    )


def _get_coverage(card: ModelCard, k: int) -> float | None:
    """Return the model's catalog coverage in its test window, None when it was not measured."""
    return next(
        (
            float(row["coverage"])
            for row in card.metrics
            if (row["cutoff"], row["method"], row["k"]) == ("test", MODEL_METHOD, k) and "coverage" in row
        ),
        None,
    )
