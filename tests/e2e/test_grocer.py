"""A shop whose customers buy the same products again."""

from pathlib import Path

import pytest

from tests.e2e.grocer_shop import write_grocer
from tests.recomart_cli import RecomartCli
from warehouse.database import open_reader, open_writer
from warehouse.settings import Settings

pytestmark = pytest.mark.slow


def test_grocer_recommends_purchases_again(recomart: RecomartCli, tmp_path: Path) -> None:
    """The shop is recognised, and the model is at least as good as the customers' most bought products."""
    options = write_grocer(tmp_path)
    run = recomart("run", *options)
    assert run.returncode == 0, run.stderr
    line = "79 % of purchases are repeats: purchased products are recommended again when due (repeat_purchases: auto)"
    assert line in run.stdout
    warehouse = ["--warehouse", tmp_path / "warehouse"]
    evaluation = recomart.run_json("evaluate", *warehouse)
    ndcg = {row["method"]: row["ndcg"] for row in evaluation["metrics"] if row["k"] == 10}
    assert ndcg["als"] >= ndcg["buy_again"] > 2 * ndcg["popularity"]
    purchases = {row["segment_value"] for row in evaluation["segments"]["purchase"]["metrics"]}
    assert purchases == {"new", "repeat"}
    assert line in recomart("evaluate", *warehouse).stdout

    with open_reader(Settings(warehouse=tmp_path / "warehouse")) as connection:
        # No list has a product before it is due, and the reason of a purchased product is its purchases.
        assert connection.execute(
            """
            select
                count(*) filter (repeats.due_at > repeats.as_of),
                count(*) filter (repeats.product_id is not null and lists.rank = 1) > 250,
                bool_and(lists.reason like 'Bought %') filter (repeats.product_id is not null),
                bool_or(lists.reason like 'Bought %') filter (repeats.product_id is null)
            from marts.rec_top_n as lists
            left join marts.feat_user_product_repeats as repeats
                on lists.user_id = repeats.user_id and lists.product_id = repeats.product_id and repeats.cutoff = 'now'
            """
        ).fetchall() == [(0, True, True, False)]
        user, product, score = connection.execute(
            "select user_id, product_id, score from marts.rec_top_n where rank = 1 order by user_id limit 1"
        ).fetchall()[0]
    explanation = recomart.run_json("explain", "--user", user, "--product", product, *warehouse)
    assert explanation["score"] == pytest.approx(score, rel=1e-4)
    assert sum(part["contribution"] for part in explanation["contributions"]) == pytest.approx(score, rel=1e-3)
    assert explanation["contributions"][0]["product_id"] == product

    _reject_model(tmp_path / "warehouse")
    assert recomart("run", "--force", "--no-train", *options).returncode == 0
    rejected = recomart("evaluate", *warehouse).stdout
    assert "No model is published: all customers get popular products." in rejected
    assert "was rejected: too weak" in rejected
    assert "buy_again" in rejected
    as_json = recomart.run_json("evaluate", *warehouse)
    assert (as_json["is_published"], as_json["rejection_reason"]) == (False, "too weak")
    assert as_json["metrics"] == [{**row, "is_serving": False} for row in evaluation["metrics"]]


def _reject_model(folder: Path) -> None:
    """Change the registry to that of a run whose only model was rejected."""
    with open_writer(Settings(warehouse=folder)) as connection:
        connection.execute(
            "update ml.model_runs set is_serving = false, promoted_at = null, promotion_number = null, "
            "rejection_reason = 'too weak'"
        )
