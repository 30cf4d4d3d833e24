"""Whether a new model may serve: it beats what needs no model, and is no worse than the one that serves."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from models_ml.config import GatePolicy
from models_ml.evaluation.comparison import ModelComparison
from models_ml.evaluation.report import MODEL_METHOD
from models_ml.evaluation.segments import OVERALL
from models_ml.inference.artifact import ModelCard


@dataclass(frozen=True)
class GateResult:
    """How a model stood before one gate."""

    gate: str
    is_passed: bool
    finding: str
    """What was measured, in words."""


def evaluate_gates(
    card: ModelCard,
    differences: pa.Table,
    policy: GatePolicy,
    serving_card: ModelCard | None = None,
    comparison: ModelComparison | None = None,
) -> list[GateResult]:
    """Return how the model of `card` stands before every gate.

    `differences` are its rows of ml.metric_differences, `serving` is the card of the model that serves, and `beside`
    how the two stand on the ground of that; without them there is nothing to lose.
    """
    gates = [*_check_baselines(differences, policy.k)]
    if serving_card is None:
        return gates
    return [*gates, *_check_serving_model(comparison, policy), *_check_reach(card, serving_card, policy)]


def describe_failures(gates: list[GateResult]) -> str | None:
    """Return why the model may not serve, None when it may."""
    return "; ".join(gate.finding for gate in gates if not gate.is_passed) or None


def _check_baselines(differences: pa.Table, k: int) -> Iterator[GateResult]:
    for row in differences.to_pylist():
        known = row["cutoff"] == "test" and row["segment"] == OVERALL and row["method"] != "oracle"
        if not known or (row["metric"], row["k"]) != ("ndcg", k):
            continue
        interval = f"{row['lower_bound']:+.4f} to {row['upper_bound']:+.4f}"
        # It must beat popularity; the others it must not be worse than beyond doubt.
        passed = row["difference"] > 0 if row["method"] == "popularity" else row["upper_bound"] >= 0
        yield GateResult(
            f"versus_{row['method']}",
            passed,
            f"NDCG@{k} is {row['difference']:+.4f} ({interval}) beside {row['method'].replace('_', ' ')}'s",
        )


def _check_serving_model(comparison: ModelComparison | None, policy: GatePolicy) -> Iterator[GateResult]:
    if comparison is None:
        yield GateResult("versus_serving_model", True, "nobody was left to measure the serving model on")
        return
    yield GateResult(
        "versus_serving_model",
        comparison.upper_bound >= -policy.max_loss * comparison.serving_ndcg,
        f"NDCG@{comparison.k} in the serving model's test window is {comparison.new_ndcg:.4f}, the serving model's is "
        f"{comparison.serving_ndcg:.4f} ({comparison.lower_bound:+.4f} to {comparison.upper_bound:+.4f})",
    )
    if comparison.user_count >= policy.min_evaluated_users:
        possible = max(0.0, -comparison.lower_bound) / comparison.serving_ndcg if comparison.serving_ndcg else 0.0
        yield GateResult(
            "possible_loss",
            possible <= policy.max_possible_loss,
            f"in the serving model's test window its NDCG@{comparison.k} is possibly {possible:.1%} below that one's",
        )


def _check_reach(card: ModelCard, serving_card: ModelCard, policy: GatePolicy) -> Iterator[GateResult]:
    new, old = (_get_coverage(one, policy.k) for one in (card, serving_card))
    if new is not None and old is not None:
        yield GateResult(
            "coverage",
            new >= policy.min_coverage * old,
            f"its lists show {new:.1%} of the catalog, the serving model's {old:.1%}",
        )
    yield GateResult(
        "customers_served",
        card.users >= (1 - policy.max_customers_lost) * serving_card.users,
        f"it knows {card.users:,} customers, the serving model {serving_card.users:,}",
    )


def _get_coverage(card: ModelCard, k: int) -> float | None:
    return next(
        (
            float(row["coverage"])
            for row in card.metrics
            if (row["cutoff"], row["method"], row["k"]) == ("test", MODEL_METHOD, k) and "coverage" in row
        ),
        None,
    )
