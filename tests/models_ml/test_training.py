"""The whole flow on a shop with planted tastes, and on shops that lack something."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch

from models_ml.baselines import BASELINES, Oracle
from models_ml.candidates import Candidates
from models_ml.config import TrainConfig
from models_ml.dataset import Dataset
from models_ml.errors import ModelError
from models_ml.recommender import Recommender
from models_ml.training import SweepRecord, TrainingResult, train
from tests.models_ml.made_up import feature_rows, interaction_rows, only_now, pair_rows

YOUNG = [("u1", "p1", 1.0, True), ("u1", "p2", 2.0, False), ("u2", "p1", 1.0, False), ("u2", "p3", 1.0, True)]


def overall(result: TrainingResult) -> list[dict[str, Any]]:
    """Return the rows of ml.ranking_metrics about all known customers and products."""
    return [row for row in result.ranking_metrics.to_pylist() if row["segment"] == "all"]


def ndcg(result: TrainingResult, method: str, as_of_name: str = "test", k: int = 10) -> float:
    """Return one NDCG of a result."""
    rows = overall(result)
    (value,) = [r["ndcg"] for r in rows if (r["method"], r["cutoff"], r["k"]) == (method, as_of_name, k)]
    return float(value)


def test_the_model_clearly_beats_popularity_and_not_the_truth(trained: TrainingResult) -> None:
    assert ndcg(trained, "als") > 1.5 * ndcg(trained, "popularity")
    assert ndcg(trained, "oracle") > ndcg(trained, "als")


def test_a_warm_training_takes_few_sweeps_from_the_factors_of_before(
    shop: Dataset, trained: TrainingResult, config: TrainConfig
) -> None:
    gone = pa.array(["p0", "p50"])
    rows, features, pairs = (
        table.filter(pc.invert(pc.is_in(table["product_id"].cast(pa.string()), value_set=gone)))
        for table in shop.tables.values()
    )
    changed = Dataset.of(rows, features, pairs)
    before = trained.recommender

    def likeness(settings: TrainConfig, warm_from: Recommender | None) -> float:
        """Return how alike scores are to those of before, where both know the product."""
        result = train(changed, settings, "run-2", warm_from=warm_from)
        model = result.recommender
        if warm_from is not None:
            assert [entry.as_of_name for entry in result.sweeps].count("now") == settings.warm_sweeps
            assert (model.card.warm_from, model.card.sweeps) == (before.card.run_id, before.card.sweeps)
        place = torch.from_numpy(before.products.find(model.products.ids))
        scores = [
            one.model.user_factors(one.history) @ products.T
            for one, products in ((before, before.model.product_factors[place]), (model, model.model.product_factors))
        ]
        return float(torch.corrcoef(torch.stack([part.flatten() for part in scores]))[0, 1])

    one_sweep = config.model_copy(update={"warm_sweeps": 1, "max_sweeps": 1})
    assert likeness(one_sweep, before) > 0.99 > likeness(one_sweep, None)


def test_a_warm_training_with_other_settings_is_refused(
    shop: Dataset, trained: TrainingResult, config: TrainConfig
) -> None:
    other = config.model_copy(update={"regularization": 0.5, "factors": 8})
    with pytest.raises(
        ModelError, match=r"other settings \(factors 16 there, 8 now, regularization 0.25 there, 0.5 now"
    ):
        train(shop, other, "run-2", warm_from=trained.recommender)


def test_sweeps_are_those_of_the_best_validation_ndcg(trained: TrainingResult, config: TrainConfig) -> None:
    tried = [record.validation_ndcg for record in trained.sweeps if record.as_of_name == "validation"]
    scores = [score for score in tried if score is not None]
    chosen = trained.recommender.card.sweeps
    assert chosen == scores.index(max(scores)) + 1
    assert len(scores) == min(config.max_sweeps, chosen + config.patience)
    assert ndcg(trained, "als", "validation") == pytest.approx(max(scores))
    for window in ("test", "now"):
        assert [r.report.sweep for r in trained.sweeps if r.as_of_name == window] == list(range(1, chosen + 1))


def test_metrics_follow_from_the_tables_that_are_handed_out(trained: TrainingResult) -> None:
    wanted: dict[str, set[str]] = {}
    for row in trained.evaluation_pairs.to_pylist():
        if row["cutoff"] == "test":
            wanted.setdefault(row["user_id"], set()).add(row["product_id"])
    for method in ("als", "popularity", "oracle"):
        rows = [row for row in trained.evaluation_candidates.to_pylist() if row["method"] == method]
        for metrics in overall(trained):
            if (metrics["cutoff"], metrics["method"]) == ("test", method):
                k = metrics["k"]
                hits = dict.fromkeys(wanted, 0)
                for row in rows:
                    hits[row["user_id"]] += row["rank"] <= k and row["product_id"] in wanted[row["user_id"]]
                assert metrics["users"] == len(wanted)
                assert metrics["precision"] == pytest.approx(sum(hits.values()) / k / len(wanted))
                recall = sum(count / len(wanted[user]) for user, count in hits.items()) / len(wanted)
                assert metrics["recall"] == pytest.approx(recall)


def test_evaluation_ranks_nothing_that_was_dealt_with_before(trained: TrainingResult, shop: Dataset) -> None:
    before = shop.interactions.filter(pc.equal(shop.interactions["cutoff"], "test"))
    seen = set(zip(before["user_id"].to_pylist(), before["product_id"].to_pylist(), strict=True))
    ranked = trained.evaluation_candidates.select(["user_id", "product_id"]).to_pylist()
    assert ranked
    assert not seen & {(row["user_id"], row["product_id"]) for row in ranked}


def test_candidates_rank_every_known_customers_products_with_reasons(trained: TrainingResult, shop: Dataset) -> None:
    candidates = Candidates.of(trained.recommender, shop.now).table().to_pylist()
    assert Candidates.of(trained.recommender, shop.now).table().schema.names == [
        "run_id", "user_id", "product_id", "rank", "score", "reason_product_id", "reason_share",
    ]  # fmt: skip
    assert len({row["user_id"] for row in candidates}) == 300
    history = {(row["user_id"], row["product_id"]) for row in shop.now.to_pylist()}
    for one, other in pairwise(candidates):
        assert other["rank"] == 1 if one["user_id"] != other["user_id"] else other["rank"] == one["rank"] + 1
        assert one["user_id"] != other["user_id"] or one["score"] >= other["score"]
    for row in candidates:
        assert row["reason_product_id"] != row["product_id"]
        assert (row["user_id"], row["reason_product_id"]) in history
        assert 0 < row["reason_share"] <= 1


def test_bought_products_take_no_candidates_place_from_new_ones(shop: Dataset, config: TrainConfig) -> None:
    quick = config.model_copy(update={"max_sweeps": 1, "candidates": 10})
    result = train(shop, quick, "run")
    bought = {(r["user_id"], r["product_id"]) for r in shop.now.to_pylist() if r["has_purchased"]}
    lists: dict[str, list[str]] = {}
    for row in Candidates.of(result.recommender, shop.now).table().to_pylist():
        lists.setdefault(row["user_id"], []).append(row["product_id"])
    assert len(lists) == 300
    for user, products in lists.items():
        assert len(products) == len(set(products))
        assert sum((user, product) not in bought for product in products) == 10
        # A bought product is there only if it is among the ten best of all.
        assert all((user, product) not in bought for product in products[10:])


def test_the_order_of_the_rows_does_not_change_a_bit(
    trained: TrainingResult, shop: Dataset, config: TrainConfig
) -> None:
    backwards = {name: table.take(pa.array(range(table.num_rows))[::-1]) for name, table in shop.tables.items()}
    again = train(Dataset.of(**backwards), config, "run-2")
    assert again.recommender.card.dataset_hash == trained.recommender.card.dataset_hash
    one, other = again.recommender.model.product_factors, trained.recommender.model.product_factors
    assert one.numpy().tobytes() == other.numpy().tobytes()


def test_a_run_describes_itself(trained: TrainingResult, shop: Dataset, config: TrainConfig) -> None:
    (row,) = trained.run_row(Path("models/run-1"), "too bad").to_pylist()
    assert row["run_id"] == "run-1"
    assert TrainConfig.model_validate_json(row["config"]) == config
    assert row["dataset_hash"] == shop.dataset_hash
    assert row["interactions"] == shop.now.num_rows
    assert trained.recommender.card.metrics == overall(trained)


def test_a_validation_window_of_few_customers_does_not_pick_the_sweeps(shop: Dataset, config: TrainConfig) -> None:
    strict = config.model_copy(update={"min_selection_users": 10_000, "default_sweeps": 3})
    result = train(shop, strict, "run")
    assert result.recommender.card.sweeps == 3
    assert "only" in result.sweeps_reason
    assert "validation" not in result.ranking_metrics["cutoff"].to_pylist()


def test_a_shop_too_young_to_evaluate_is_trained_with_the_default(config: TrainConfig) -> None:
    heard: list[SweepRecord] = []
    result = train(only_now(YOUNG), config, "run", on_sweep=heard.append)
    assert result.recommender.card.sweeps == len(heard) == config.default_sweeps
    assert "default" in result.sweeps_reason
    assert result.skipped == dict.fromkeys(("validation", "test"), "no interactions before it")
    assert (result.ranking_metrics.num_rows, result.evaluation_candidates.num_rows) == (0, 0)
    assert result.evaluation_pairs.schema.names[:4] == ["run_id", "cutoff", "user_id", "product_id"]
    assert Candidates.of(result.recommender, only_now(YOUNG).now).table().num_rows == 6


def test_one_customer_with_one_product_gets_it_without_a_reason(config: TrainConfig) -> None:
    alone = only_now(YOUNG[:1])
    (row,) = Candidates.of(train(alone, config, "run").recommender, alone.now).table().to_pylist()
    assert (row["product_id"], row["rank"], row["reason_product_id"], row["reason_share"]) == ("p1", 1, None, None)


def test_nothing_to_train_on_is_an_error() -> None:
    with pytest.raises(ModelError, match="no interactions as of now"):
        only_now([])


def test_only_known_customers_with_a_history_are_evaluated(config: TrainConfig) -> None:
    tables = Dataset.of(
        pa.concat_tables([interaction_rows("test", 90, YOUNG), interaction_rows("now", 100, YOUNG)]),
        feature_rows("test", {"p1": 2.0, "p2": 1.0, "p3": 1.0, "nobody's": 0.0}),
        pair_rows("test", [("u1", "p3", True), ("u1", "new", True), ("u2", "p2", False), ("ghost", "p1", True)]),
    )
    result = train(tables, config, "run")
    pairs = [(row["user_id"], row["product_id"]) for row in result.evaluation_pairs.to_pylist()]
    assert pairs == [("u1", "new"), ("u1", "p3")]
    for row in overall(result):
        assert row["users"] == 1
        assert row["recall"] == 0.5
        assert row["precision"] == 1 / row["k"]
    offered = {(r["method"], r["product_id"]) for r in result.evaluation_candidates.to_pylist()}
    methods = ("als", "popularity", "recent_popularity")
    assert offered == {
        ("item_item", "p3"),
        *((method, product) for method in methods for product in ("p3", "nobody's")),
    }
    assert set(result.skipped) == {"validation"}


def test_a_window_in_which_nobody_known_buys_is_skipped(config: TrainConfig) -> None:
    tables = Dataset.of(
        pa.concat_tables([interaction_rows("test", 90, YOUNG), interaction_rows("now", 100, YOUNG)]),
        feature_rows("test", {}),
        pair_rows("test", [("stranger", "p1", False)]),
    )
    assert train(tables, config, "run").skipped["test"] == "no customer with a history takes anything new in it"


def test_the_sweeps_are_picked_by_no_more_customers_than_set(shop: Dataset, config: TrainConfig) -> None:
    result = train(shop, config.model_copy(update={"selection_users": 40, "max_sweeps": 1}), "run")
    users = {row["cutoff"]: row["users"] for row in overall(result)}
    assert users["validation"] == 40
    assert users["test"] > 200


def test_an_evaluation_pair_that_is_there_twice_is_refused(shop: Dataset, config: TrainConfig) -> None:
    twice = pa.concat_tables([shop.evaluation_pairs, shop.evaluation_pairs.slice(0, 1)])
    with pytest.raises(ModelError, match="evaluation pairs of 'test' repeat a pair"):
        train(replace(shop, evaluation_pairs=twice), config, "run")


def test_an_oracle_that_does_not_know_everybody_is_left_out_and_said_so(
    shop: Dataset, oracle: Oracle, config: TrainConfig
) -> None:
    users, products = oracle
    result = train(shop, config, "run", oracle=(users, products.slice(3)))
    assert "unknown product ids" in result.skipped["oracle"]
    assert set(result.ranking_metrics["method"].to_pylist()) == {"als", *BASELINES}


def test_candidates_are_the_same_in_blocks_of_any_size(trained: TrainingResult, shop: Dataset) -> None:
    card = trained.recommender.card
    small = card.model_copy(update={"config": card.config.model_copy(update={"block_mib": 1})})
    blocks = list(Candidates.of(replace(trained.recommender, card=small), shop.now).blocks())
    whole = Candidates.of(trained.recommender, shop.now).table()
    assert len(blocks) > 1
    apart = pa.concat_tables(blocks)
    assert apart.drop_columns(["score", "reason_share"]).equals(whole.drop_columns(["score", "reason_share"]))
    assert apart["score"].to_pylist() == pytest.approx(whole["score"].to_pylist(), abs=1e-6)
