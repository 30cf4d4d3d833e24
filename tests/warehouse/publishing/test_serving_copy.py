"""Queries of a published copy."""

from pathlib import Path

import pytest

from warehouse.database import open_writer
from warehouse.publishing.publisher import publish
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings

TABLES = ["rec_top_n", "eval_model_runs", "eval_ranking_metrics", "eval_metric_differences"]


@pytest.mark.parametrize("run_id", ["old", None])
def test_metrics_belong_to_published_run(tmp_path: Path, run_id: str | None) -> None:
    settings = Settings(warehouse=tmp_path)
    with open_writer(settings) as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.rec_top_n as select ?::text as run_id, 'u' as user_id", [run_id])
        connection.execute("create table marts.eval_model_runs (run_id text, trained_at timestamp, dataset_hash text)")
        connection.execute("insert into marts.eval_model_runs (run_id) values ('old'), ('newer')")
        for table in ("eval_ranking_metrics", "eval_metric_differences"):
            connection.execute(
                f"create table marts.{table} as select run_id, 'all' as segment, 'all' as segment_value, "
                "'test' as cutoff, 10 as k, 'als' as method from marts.eval_model_runs"
            )
    publish(settings, TABLES)
    with ServingCopy(settings) as copy:
        for metrics in (copy.get_metrics(), copy.get_metric_differences()):
            assert list(metrics["run_id"]) == ([run_id] if run_id else [])


@pytest.mark.parametrize(
    ("run_id", "runs", "reason"),
    [
        (None, [], "No model serves yet: all customers get popular products. `recomart run` trains"),
        (None, [("held back", 0.1)], "No model serves: all customers get popular products. `recomart models` shows"),
        ("old", [("old", None), ("new", 0.2)], "The published model could not be evaluated:"),
    ],
    ids=["never trained", "not promoted", "no evaluated users"],
)
def test_explain_missing_metrics_by_reason(
    tmp_path: Path, run_id: str | None, runs: list[tuple[str, float | None]], reason: str
) -> None:
    settings = Settings(warehouse=tmp_path)
    with open_writer(settings) as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.rec_top_n as select ?::text as run_id, 'u' as user_id", [run_id])
        connection.execute(
            "create table marts.eval_model_runs "
            "(run_id text, trained_at timestamp, dataset_hash text, ndcg_at_10 double)"
        )
        for model_run in runs:
            connection.execute("insert into marts.eval_model_runs (run_id, ndcg_at_10) values (?, ?)", model_run)
    publish(settings, ["rec_top_n", "eval_model_runs"])
    with ServingCopy(settings) as copy:
        assert copy.explain_missing_metrics().startswith(reason)


@pytest.mark.parametrize("has_repeats", [True, False], ids=["this version", "earlier version"])
def test_repeats_of_copy(tmp_path: Path, has_repeats: bool) -> None:
    """A copy that an earlier version published has no repeat scores and no share of repeats."""
    settings = Settings(warehouse=tmp_path)
    repeat_score = ", case when product_id = 'tea' then 0.5 end as repeat_score" if has_repeats else ""
    with open_writer(settings) as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.rec_top_n as select null::text as run_id, 'u' as user_id")
        connection.execute(
            "create table marts.rec_user_interactions as "
            f"select 'u' as user_id, product_id, 1.0 as strength{repeat_score} "
            "from (values ('tea'), ('mug')) as products(product_id)"
        )
        connection.execute(
            "create table marts.feat_shop_repeats as "
            "select 'now' as cutoff, 0.25 as repeat_share, true as is_repeat_shop"
        )
    publish(settings, ["rec_top_n", "rec_user_interactions", *(["feat_shop_repeats"] if has_repeats else [])])
    with ServingCopy(settings) as copy:
        assert copy.get_interactions("u") == {"tea": 1.0, "mug": 1.0}
        assert copy.get_repeat_scores("u") == ({"tea": 0.5} if has_repeats else {})
        shop_repeats = copy.get_shop_repeats()
        assert (shop_repeats is not None) == has_repeats
        assert shop_repeats is None or float(shop_repeats["repeat_share"]) == 0.25


def test_bought_together_is_above_chance(tmp_path: Path) -> None:
    settings = Settings(warehouse=tmp_path)
    with open_writer(settings) as connection:
        connection.execute("create schema marts")
        connection.execute("create table marts.rec_top_n as select 'run' as run_id, 'u' as user_id")
        connection.execute(
            "create table marts.rec_product_pairs as select * from (values ('a', 'b', 3, 1.0), ('a', 'c', 2, 1.5)) "
            "as pairs (product_id, other_product_id, joint_order_count, lift)"
        )
    publish(settings, ["rec_top_n", "rec_product_pairs"])
    with ServingCopy(settings) as copy:
        assert list(copy.get_bought_together(["a"])["product_id"]) == ["c"]
