"""Whether a new model may serve: it beats what needs no model, and is no worse than the one that serves."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from models_ml.artifact import ModelCard
from models_ml.evaluation_report import MODEL
from models_ml.gate_policy import GatePolicy
from models_ml.head_to_head import HeadToHead
from models_ml.segments import OVERALL


@dataclass(frozen=True)
class GateResult:
    """How a model stood before one gate."""

    gate: str
    is_passed: bool
    finding: str
    """What was measured, in words."""


def judge(
    card: ModelCard,
    differences: pa.Table,
    policy: GatePolicy,
    serving: ModelCard | None = None,
    beside: HeadToHead | None = None,
) -> list[GateResult]:
    """Return how the model of `card` stands before every gate.

    `differences` are its rows of ml.metric_differences, `serving` is the card of the model that serves, and `beside`
    how the two stand on the ground of that; without them there is nothing to lose.
    """
    gates = [*_beside_baselines(differences, policy.cutoff)]
    if serving is None:
        return gates
    return [*gates, *_beside_serving(beside, policy), *_reach(card, serving, policy)]


def reasons(gates: list[GateResult]) -> str | None:
    """Return why the model may not serve, None when it may."""
    return "; ".join(gate.finding for gate in gates if not gate.is_passed) or None


def _beside_baselines(differences: pa.Table, k: int) -> Iterator[GateResult]:
    for row in differences.to_pylist():
        known = row["cutoff"] == "test" and row["segment"] == OVERALL and row["method"] != "oracle"
        if not known or (row["metric"], row["k"]) != ("ndcg", k):
            continue
        interval = f"{row['lower_bound']:+.4f} to {row['upper_bound']:+.4f}"
        # It must beat popularity; the others it must not be worse than beyond doubt.
        passed = row["difference"] > 0 if row["method"] == "popularity" else row["upper_bound"] >= 0
        yield GateResult(
            f"beside_{row['method']}",
            passed,
            f"NDCG@{k} is {row['difference']:+.4f} ({interval}) beside {row['method'].replace('_', ' ')}'s",
        )


def _beside_serving(beside: HeadToHead | None, policy: GatePolicy) -> Iterator[GateResult]:
    if beside is None:
        yield GateResult("beside_serving_model", True, "nobody was left to measure the serving model on")
        return
    yield GateResult(
        "beside_serving_model",
        beside.upper_bound >= -policy.most_loss * beside.serving_ndcg,
        f"NDCG@{beside.k} in the serving model's test window is {beside.new_ndcg:.4f}, the serving model's is "
        f"{beside.serving_ndcg:.4f} ({beside.lower_bound:+.4f} to {beside.upper_bound:+.4f})",
    )
    if beside.users >= policy.believed_customers:
        possible = max(0.0, -beside.lower_bound) / beside.serving_ndcg if beside.serving_ndcg else 0.0
        yield GateResult(
            "possible_loss",
            possible <= policy.most_possible_loss,
            f"in the serving model's test window its NDCG@{beside.k} is possibly {possible:.1%} below that one's",
        )


def _reach(card: ModelCard, serving: ModelCard, policy: GatePolicy) -> Iterator[GateResult]:
    new, old = (_coverage(one, policy.cutoff) for one in (card, serving))
    if new is not None and old is not None:
        yield GateResult(
            "coverage",
            new >= policy.least_coverage * old,
            f"its lists show {new:.1%} of the catalog, the serving model's {old:.1%}",
        )
    yield GateResult(
        "customers_served",
        card.users >= (1 - policy.most_customers_lost) * serving.users,
        f"it knows {card.users:,} customers, the serving model {serving.users:,}",
    )


def _coverage(card: ModelCard, k: int) -> float | None:
    return next(
        (
            float(row["coverage"])
            for row in card.metrics
            if (row["cutoff"], row["method"], row["k"]) == ("test", MODEL, k) and "coverage" in row
        ),
        None,
    )
