"""Tests of training runs on a shop with known true factors and on incomplete shops."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch

from models_ml.config import TrainConfig
from models_ml.data.dataset import Dataset
from models_ml.errors import ModelError
from models_ml.evaluation.baselines import OracleFactors, build_baselines
from models_ml.inference.candidates import Candidates
from models_ml.inference.recommender import Recommender
from models_ml.training import EpochRecord, TrainingResult, train
from tests.models_ml.synthetic_tables import (
    build_current_dataset,
    build_evaluation_pairs,
    build_interactions,
    build_product_features,
)

SHORT_HISTORIES = [("u1", "p1", 1.0, True), ("u1", "p2", 2.0, False), ("u2", "p1", 1.0, False), ("u2", "p3", 1.0, True)]


def get_overall_metrics(result: TrainingResult) -> list[dict[str, Any]]:
    """Return the rows of ml.ranking_metrics about all known customers and products."""
    return [row for row in result.ranking_metrics.to_pylist() if row["segment"] == "all"]


def get_ndcg(result: TrainingResult, method: str, cutoff: str = "test", k: int = 10) -> float:
    """Return one NDCG of a result."""
    rows = get_overall_metrics(result)
    (value,) = [r["ndcg"] for r in rows if (r["method"], r["cutoff"], r["k"]) == (method, cutoff, k)]
    return float(value)


def test_model_between_popularity_and_oracle(trained: TrainingResult) -> None:
    assert get_ndcg(trained, "als") > 1.5 * get_ndcg(trained, "popularity")
    assert get_ndcg(trained, "oracle") > get_ndcg(trained, "als")


def test_warm_start_continues_from_factors(dataset: Dataset, trained: TrainingResult, config: TrainConfig) -> None:
    removed_products = pa.array(["p0", "p50"])
    rows, features, pairs = (
        table.filter(pc.invert(pc.is_in(table["product_id"].cast(pa.string()), value_set=removed_products)))
        for table in (dataset.interactions, dataset.product_features, dataset.evaluation_pairs)
    )
    changed_dataset = Dataset.from_tables(rows, features, pairs)
    first_recommender = trained.recommender

    def compute_score_correlation(settings: TrainConfig, warm_from: Recommender | None) -> float:
        """Return the correlation of the scores of both models for the products that are known in both."""
        result = train(changed_dataset, settings, "run-2", warm_start_model=warm_from)
        model = result.recommender
        if warm_from is not None:
            assert [entry.cutoff for entry in result.epoch_records].count("now") == settings.warm_epochs
            assert model.card.trained_epochs == settings.warm_epochs
            assert (model.card.warm_from, model.card.epochs) == (
                first_recommender.card.run_id,
                first_recommender.card.epochs,
            )
        position = torch.from_numpy(first_recommender.products.find_positions(model.products.ids))
        scores = [
            recommender.model.factors.fold_in(recommender.history) @ products.T
            for recommender, products in (
                (first_recommender, first_recommender.model.factors.product_factors[position]),
                (model, model.model.factors.product_factors),
            )
        ]
        return float(torch.corrcoef(torch.stack([matrix.flatten() for matrix in scores]))[0, 1])

    one_epoch = config.model_copy(update={"warm_epochs": 1, "max_epochs": 1})
    assert compute_score_correlation(one_epoch, first_recommender) > 0.99 > compute_score_correlation(one_epoch, None)


def test_warm_start_rejects_other_settings(dataset: Dataset, trained: TrainingResult, config: TrainConfig) -> None:
    other = config.model_copy(update={"regularization": 0.5, "factors": 8})
    with pytest.raises(ModelError, match=r"other settings \(factors was 16, is 8, regularization was 0.25, is 0.5"):
        train(dataset, other, "run-2", warm_start_model=trained.recommender)


def test_epochs_have_best_validation_ndcg(trained: TrainingResult, config: TrainConfig) -> None:
    records = [record for record in trained.epoch_records if record.cutoff == "validation"]
    ndcgs = [record.validation_ndcg for record in records if record.validation_ndcg is not None]
    epochs = trained.recommender.card.epochs
    assert epochs == ndcgs.index(max(ndcgs)) + 1
    assert len(ndcgs) == min(config.max_epochs, epochs + config.patience)
    # The trends and the item graph are selected only if they are better.
    assert get_ndcg(trained, "als", "validation") >= max(ndcgs) - 1e-6
    for cutoff in ("test", "now"):
        fit_records = [record for record in trained.epoch_records if record.cutoff == cutoff]
        assert [record.report.epoch for record in fit_records] == list(range(1, epochs + 1))


def test_metrics_follow_from_result_tables(trained: TrainingResult) -> None:
    relevant_products: dict[str, set[str]] = {}
    for row in trained.evaluation_pairs.to_pylist():
        if row["cutoff"] == "test":
            relevant_products.setdefault(row["user_id"], set()).add(row["product_id"])
    for method in ("als", "popularity", "oracle"):
        rows = [row for row in trained.evaluation_candidates.to_pylist() if row["method"] == method]
        for metrics in get_overall_metrics(trained):
            if (metrics["cutoff"], metrics["method"]) == ("test", method):
                k = metrics["k"]
                hits = dict.fromkeys(relevant_products, 0)
                for row in rows:
                    hits[row["user_id"]] += row["rank"] <= k and row["product_id"] in relevant_products[row["user_id"]]
                assert metrics["users"] == len(relevant_products)
                assert metrics["precision"] == pytest.approx(sum(hits.values()) / k / len(relevant_products))
                recall = sum(count / len(relevant_products[user]) for user, count in hits.items()) / len(
                    relevant_products
                )
                assert metrics["recall"] == pytest.approx(recall)


def test_evaluation_excludes_history(trained: TrainingResult, dataset: Dataset) -> None:
    history_rows = dataset.interactions.filter(pc.equal(dataset.interactions["cutoff"], "test"))
    history_pairs = set(zip(history_rows["user_id"].to_pylist(), history_rows["product_id"].to_pylist(), strict=True))
    ranked_rows = trained.evaluation_candidates.select(["user_id", "product_id"]).to_pylist()
    assert ranked_rows
    assert not history_pairs & {(row["user_id"], row["product_id"]) for row in ranked_rows}


def test_training_ignores_row_order(trained: TrainingResult, dataset: Dataset, config: TrainConfig) -> None:
    reversed_tables = {
        name: table.take(pa.array(range(table.num_rows), pa.int64())[::-1]) for name, table in dataset.tables.items()
    }
    result = train(Dataset.from_tables(**reversed_tables), config, "run-2")
    assert result.recommender.card.dataset_hash == trained.recommender.card.dataset_hash
    factors, expected = (run.recommender.model.factors.product_factors for run in (result, trained))
    assert factors.numpy().tobytes() == expected.numpy().tobytes()


def test_run_row_and_card_match_training(trained: TrainingResult, dataset: Dataset, config: TrainConfig) -> None:
    (row,) = trained.build_run_row(Path("models/run-1"), "too bad").to_pylist()
    assert row["run_id"] == "run-1"
    assert TrainConfig.model_validate_json(row["config"]) == config
    assert row["dataset_hash"] == dataset.dataset_hash
    assert row["interactions"] == dataset.current_interactions.num_rows
    assert trained.recommender.card.metrics == [
        {name: value for name, value in metrics.items() if value is not None}
        for metrics in get_overall_metrics(trained)
    ]


def test_small_validation_window_is_not_used(dataset: Dataset, config: TrainConfig) -> None:
    strict_config = config.model_copy(update={"min_selection_users": 10_000, "default_epochs": 3})
    result = train(dataset, strict_config, "run")
    assert result.recommender.card.epochs == 3
    assert "only" in result.epochs_reason
    assert "validation" not in result.ranking_metrics["cutoff"].to_pylist()


def test_training_without_windows_uses_defaults(config: TrainConfig) -> None:
    records: list[EpochRecord] = []
    result = train(build_current_dataset(SHORT_HISTORIES), config, "run", on_epoch=records.append)
    assert result.recommender.card.epochs == len(records) == config.default_epochs
    assert "default" in result.epochs_reason
    assert result.skip_reasons == dict.fromkeys(("validation", "test"), "no interactions before it")
    assert (result.ranking_metrics.num_rows, result.evaluation_candidates.num_rows) == (0, 0)
    assert result.evaluation_pairs.schema.names[:4] == ["run_id", "cutoff", "user_id", "product_id"]
    candidates = Candidates.create(result.recommender, build_current_dataset(SHORT_HISTORIES).current_interactions)
    assert sum(block.num_rows for block in candidates.iter_blocks()) == 6


def test_training_rejects_empty_dataset() -> None:
    with pytest.raises(ModelError, match="no interactions at cutoff now"):
        build_current_dataset([])


def test_evaluation_of_known_customers_only(config: TrainConfig) -> None:
    tables = Dataset.from_tables(
        pa.concat_tables(
            [build_interactions("test", 90, SHORT_HISTORIES), build_interactions("now", 100, SHORT_HISTORIES)]
        ),
        build_product_features("test", {"p1": 2.0, "p2": 1.0, "p3": 1.0, "unseen_product": 0.0}),
        build_evaluation_pairs(
            "test", [("u1", "p3", True), ("u1", "new", True), ("u2", "p2", False), ("ghost", "p1", True)]
        ),
    )
    result = train(tables, config, "run")
    pairs = [(row["user_id"], row["product_id"]) for row in result.evaluation_pairs.to_pylist()]
    assert pairs == [("u1", "new"), ("u1", "p3")]
    for row in get_overall_metrics(result):
        assert row["users"] == 1
        assert row["recall"] == 0.5
        assert row["precision"] == 1 / row["k"]
    ranked = {(row["method"], row["product_id"]) for row in result.evaluation_candidates.to_pylist()}
    methods = ("als", "ease", "popularity", "recent_popularity")
    assert ranked == {
        ("item_item", "p3"),
        ("user_item_graph", "p3"),
        *((method, product) for method in methods for product in ("p3", "unseen_product")),
    }
    assert set(result.skip_reasons) == {"validation"}


def test_window_without_known_customers(config: TrainConfig) -> None:
    tables = Dataset.from_tables(
        pa.concat_tables(
            [build_interactions("test", 90, SHORT_HISTORIES), build_interactions("now", 100, SHORT_HISTORIES)]
        ),
        build_product_features("test", {}),
        build_evaluation_pairs("test", [("unknown_user", "p1", False)]),
    )
    assert train(tables, config, "run").skip_reasons["test"] == "no customers with a history and new products"


def test_selection_limits_customers(dataset: Dataset, config: TrainConfig) -> None:
    result = train(dataset, config.model_copy(update={"max_selection_users": 40, "max_epochs": 1}), "run")
    users = {row["cutoff"]: row["users"] for row in get_overall_metrics(result)}
    assert users["validation"] == 40
    assert users["test"] > 200


def test_incomplete_oracle_is_skipped(dataset: Dataset, oracle: OracleFactors, config: TrainConfig) -> None:
    users, products = oracle
    result = train(dataset, config, "run", oracle_factors=(users, products.slice(3)))
    assert "unknown product ids" in result.skip_reasons["oracle"]
    assert set(result.ranking_metrics["method"].to_pylist()) == {"als", *build_baselines(None, config)}


def test_damping_reduces_concentration(dataset: Dataset, config: TrainConfig, tmp_path: Path) -> None:
    """The damped model is reproducible, and the artifact and its baskets have the damped scores."""
    settings = config.model_copy(update={"max_epochs": 3, "graph_weights": ()})
    features = dataset.product_features
    recent = features.set_column(
        features.schema.get_field_index("active_users_28d"), "active_users_28d", features["popularity"]
    )
    dataset = replace(dataset, product_features=recent)
    undamped, damped, repeated = (
        train(dataset, settings.model_copy(update={"popularity_damping": damping}), "run")
        for damping in (0.0, 0.8, 0.8)
    )
    assert undamped.recommender.card.selected_params == damped.recommender.card.selected_params
    for cutoff in ("validation", "test"):
        rows = [
            next(row for row in get_overall_metrics(run) if (row["cutoff"], row["method"]) == (cutoff, "als"))
            for run in (undamped, damped)
        ]
        assert rows[0]["novelty"] < rows[1]["novelty"]
    damped.recommender.save(tmp_path / "run")
    loaded = Recommender.load(tmp_path / "run")
    for recommender in (repeated.recommender, loaded):
        for name in ("product_factors", "multipliers"):
            values, expected = (getattr(r.model.factors, name) for r in (recommender, damped.recommender))
            assert values.numpy().tobytes() == expected.numpy().tobytes()
    basket = ["p1", "p2", "p5"]
    items = loaded.recommend(basket=basket, n=200).items
    positions = torch.from_numpy(loaded.products.get_positions(pa.array([item.product_id for item in items])))
    plain = {item.product_id: item.score for item in undamped.recommender.recommend(basket=basket, n=200).items}
    ratios = torch.tensor([item.score / plain[item.product_id] for item in items])
    multipliers, plain_multipliers = (
        run.recommender.model.factors.multipliers[positions] for run in (damped, undamped)
    )
    torch.testing.assert_close(ratios, multipliers / plain_multipliers, rtol=1e-3, atol=1e-3)
    explanation = loaded.explain(items[0].product_id, basket=basket)
    assert sum(item.contribution for item in explanation.contributions) == pytest.approx(items[0].score, rel=1e-4)
