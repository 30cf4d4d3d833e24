"""What a new model must reach before it serves."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from models_ml.artifact import ModelCard
from models_ml.config import TrainConfig
from models_ml.dataset import Dataset
from models_ml.evaluation import EvaluationWindow
from models_ml.gate_policy import GatePolicy
from models_ml.gates import GateResult, judge, reasons
from models_ml.head_to_head import Contender, HeadToHead, head_to_head
from models_ml.training import TrainingResult, train

POLICY = GatePolicy()


def with_wrong_products(dataset: Dataset, share: float) -> Dataset:
    """Return the dataset after a delivery in which a share of the pairs as of now have somebody else's product."""
    rows = dataset.interactions
    chance = np.random.default_rng(3)
    is_wrong = (np.asarray(rows["cutoff"]) == "now") & (chance.random(rows.num_rows) < share)
    products = np.asarray(rows["product_id"].to_pylist(), dtype=object)
    products[is_wrong] = chance.permutation(products[is_wrong])
    shuffled = rows.set_column(
        rows.column_names.index("product_id"), "product_id", pa.array(products.tolist(), pa.large_string())
    )
    kept = shuffled.group_by(["cutoff", "as_of", "user_id", "product_id"]).aggregate(
        [(name, "max") for name in rows.column_names if name not in ("cutoff", "as_of", "user_id", "product_id")]
    )
    return Dataset.of(
        kept.rename_columns([name.removesuffix("_max") for name in kept.column_names]),
        dataset.product_features,
        dataset.evaluation_pairs,
    )


def compared(new: Contender, serving: Contender) -> HeadToHead:
    found = head_to_head(new, serving, 10)
    assert found is not None
    return found


def test_equal_settings_and_rows_stand_equal_whatever_the_seed(shop: Dataset, trained: TrainingResult) -> None:
    card = trained.recommender.card
    other = card.model_copy(update={"config": card.config.model_copy(update={"seed": 1}), "sweeps": card.sweeps + 3})
    found = compared(Contender(other, shop), Contender(card, shop))
    assert found.users > 0
    assert found.new_ndcg == found.serving_ndcg > 0
    assert (found.lower_bound, found.upper_bound) == (0, 0)


def test_what_is_relevant_is_not_learned_from(shop: Dataset, trained: TrainingResult) -> None:
    card = trained.recommender.card
    window = EvaluationWindow.of_dataset(shop, "test", 10_000)
    assert window is not None
    asked = window.pairs.select(["user_id", "product_id"])
    keys = pa.table({name: asked[name].cast(shop.interactions[name].type) for name in asked.column_names})
    unasked = shop.interactions.join(keys, ["user_id", "product_id"], join_type="left anti")
    without = Dataset.of(unasked, shop.product_features, shop.evaluation_pairs)
    found = compared(Contender(card, without), Contender(card, shop))
    assert found.new_ndcg == found.serving_ndcg


def test_rows_that_are_nonsense_make_a_model_worse_than_the_serving_one(shop: Dataset, trained: TrainingResult) -> None:
    serving = trained.recommender.card
    found = compared(Contender(serving, with_wrong_products(shop, 0.7)), Contender(serving, shop))
    assert found.upper_bound < -0.05 * found.serving_ndcg
    gates = judge(serving, trained.metric_differences, POLICY, serving, found)
    assert [gate.gate for gate in gates if not gate.is_passed] == ["beside_serving_model", "possible_loss"]
    assert "in the serving model's test window" in (reasons(gates) or "")


def test_a_model_of_the_same_data_may_serve(shop: Dataset, trained: TrainingResult, config: TrainConfig) -> None:
    other = train(shop, config.model_copy(update={"seed": 1}), "run-2")
    found = compared(Contender(other.recommender.card, shop), Contender(trained.recommender.card, shop))
    gates = judge(other.recommender.card, other.metric_differences, POLICY, trained.recommender.card, found)
    assert {gate.gate for gate in gates} == {
        *("beside_popularity", "beside_recent_popularity", "beside_item_item"),
        *("beside_serving_model", "possible_loss", "coverage", "customers_served"),
    }
    assert reasons(gates) is None


@pytest.mark.parametrize(
    ("method", "difference", "upper_bound", "passes"),
    [
        ("popularity", 0.01, 0.02, True),
        ("popularity", -0.001, 0.01, False),
        ("item_item", -0.001, 0.01, True),
        ("item_item", -0.02, -0.01, False),
        ("oracle", -0.5, -0.4, True),
    ],
)
def test_popularity_must_be_beaten_and_other_baselines_not_be_better_beyond_doubt(
    trained: TrainingResult, method: str, difference: float, upper_bound: float, passes: bool
) -> None:
    rows = trained.metric_differences
    of_popularity = rows.filter(
        pc.and_(
            pc.equal(rows["method"], "popularity"),
            pc.and_(
                pc.equal(rows["segment"], "all"), pc.and_(pc.equal(rows["metric"], "ndcg"), pc.equal(rows["k"], 10))
            ),
        )
    ).to_pylist()[0]
    row = of_popularity | {"method": method, "difference": difference, "upper_bound": upper_bound}
    gates = judge(trained.recommender.card, pa.Table.from_pylist([row]), POLICY)
    assert (reasons(gates) is None) == passes


def gates_beside(
    card: ModelCard, serving: ModelCard, users: int = 5, lower_bound: float = -0.02
) -> dict[str, GateResult]:
    no_differences = pa.table({"cutoff": pa.array([], pa.string())})
    beside = HeadToHead(
        k=10, users=users, serving_ndcg=0.2, new_ndcg=0.19, lower_bound=lower_bound, upper_bound=-0.0099
    )
    return {gate.gate: gate for gate in judge(card, no_differences, POLICY, serving, beside)}


def test_a_small_loss_passes_and_lost_customers_or_coverage_do_not(trained: TrainingResult) -> None:
    card = trained.recommender.card
    narrow = card.model_copy(
        update={
            "users": card.users * 8 // 10,
            "metrics": [{**row, "coverage": float(row.get("coverage", 0)) * 0.4} for row in card.metrics],
        }
    )
    assert all(gate.is_passed for gate in gates_beside(card, card).values())
    failed = {name for name, gate in gates_beside(narrow, card).items() if not gate.is_passed}
    assert failed == {"coverage", "customers_served"}


@pytest.mark.parametrize(
    ("users", "lower_bound", "passes"), [(200, -0.0199, True), (200, -0.0204, False), (199, -0.0204, True)]
)
def test_a_loss_that_is_merely_possible_counts_where_enough_customers_were_measured(
    trained: TrainingResult, users: int, lower_bound: float, passes: bool
) -> None:
    card = trained.recommender.card
    gates = gates_beside(card, card, users, lower_bound)
    assert all(gate.is_passed for gate in gates.values()) == passes
    if not passes:
        assert gates["possible_loss"].finding.endswith("possibly 10.2% below that one's")
