"""The app's pure parts on the odd cases that a demo shop does not have."""

import pandas as pd
import pytest

from apps.merchandiser.customer_texts import describe_customer
from apps.merchandiser.markdown import WORD_JOINER, escape_markdown
from apps.merchandiser.metric_tables import compute_lift, pivot_metrics, select_test_metrics
from apps.merchandiser.product_filter import ProductFilter, add_display_columns, encode_csv
from apps.merchandiser.table_columns import select_filled_columns
from apps.merchandiser.trends import build_quality_chart


def build_recommendations(**columns: list[object]) -> pd.DataFrame:
    """Rows of `rec_top_n`, with the given columns and plain ones besides."""
    count = len(next(iter(columns.values())))
    plain = {
        "rank": range(1, count + 1),
        "product_id": [f"p{number}" for number in range(count)],
        "product_name": ["Pasta"] * count,
        "category": ["groceries"] * count,
        "brand": ["alderly"] * count,
        "price": [1.0] * count,
        "score": [1.0] * count,
        "source": ["model"] * count,
        "reason": ["Popular in groceries"] * count,
    }
    return pd.DataFrame({**plain, **columns})


def test_scores_are_compared_within_their_source_only() -> None:
    mixed = build_recommendations(score=[0.8, 0.4, 300.0, 30.0], source=["model", "model", "popularity", "popularity"])
    described = add_display_columns(mixed)
    assert list(described["relative_score"]) == [100, 50, 100, 10]
    assert list(described["source"]) == ["Personal", "Personal", "Popular", "Popular"]


def test_what_is_pinned_has_no_score_and_leaves_the_others_theirs() -> None:
    described = add_display_columns(build_recommendations(score=[9.0, 0.8, 0.4], source=["pinned", "model", "model"]))
    assert described["relative_score"].fillna(-1).tolist() == [-1, 100, 50]
    assert described["score"].fillna(-1).tolist() == [-1, 0.8, 0.4]


def test_scores_without_anything_positive_have_empty_bars() -> None:
    assert list(add_display_columns(build_recommendations(score=[-0.1, 0.0]))["relative_score"]) == [0, 0]


def test_a_price_limit_drops_what_has_no_price_and_no_limit_keeps_it() -> None:
    priced = build_recommendations(price=[None, 5.0, 10.0])
    assert len(ProductFilter().apply(priced)) == 3
    assert list(ProductFilter(min_price=5.0).apply(priced)["price"]) == [5.0, 10.0]
    assert list(ProductFilter(max_price=5.0).apply(priced)["price"]) == [5.0]


def test_categories_and_brands_both_have_to_match() -> None:
    choice = ProductFilter(categories=("toys", "books"), brands=("hollin",))
    kept = choice.apply(
        build_recommendations(category=["toys", "books", "shoes"], brand=["hollin", "alderly", "hollin"])
    )
    assert list(kept["rank"]) == [1]


def test_columns_that_a_shop_does_not_have_are_left_out() -> None:
    table = build_recommendations(brand=[None, None])
    assert select_filled_columns(table, ["rank", "brand", "category"]) == ["rank", "category"]


def test_spreadsheets_can_tell_the_encoding_of_an_export() -> None:
    exported = encode_csv(build_recommendations(product_name=["Crème brûlée, large"]))
    assert exported.startswith(b"\xef\xbb\xbf")
    assert "Crème brûlée, large" in exported.decode("utf-8-sig")


def test_texts_from_elsewhere_are_no_markdown() -> None:
    assert escape_markdown("[a](b) $x$ <i> `c`\n# d") == r"\[a\]\(b\) \$x\$ \<i\> \`c\` \# d"
    assert escape_markdown("http://a, www.a and b@a").count(WORD_JOINER) == 3
    assert escape_markdown("Crème brûlée 2") == "Crème brûlée 2"


def test_what_is_not_known_of_a_customer_is_a_dash() -> None:
    known = describe_customer(
        {
            "first_seen_at": pd.Timestamp("2026-01-03 10:00"),
            "last_seen_at": pd.NaT,
            "event_count": 0,
            "purchase_count": 1234,
            "return_count": 0,
            "total_spend": 98765.4321,
            "favourite_category": None,
            "favourite_brand": float("nan"),
            "main_device": "unknown",
        }
    )
    assert known["First seen"] == "3 Jan 2026"
    assert known["Purchase lines"] == "1,234"
    assert known["Spent"] == "98,765.43"
    unknown = {known[name] for name in ("Last seen", "Favourite category", "Favourite brand", "Device")}
    assert unknown == {"—"}


def build_metrics(rows: list[tuple[str, str, int, float]]) -> pd.DataFrame:
    """Rows of `eval_ranking_metrics`; precision, recall and NDCG are the same number."""
    table = pd.DataFrame(rows, columns=["cutoff", "method", "k", "ndcg"])
    return table.assign(users=7, precision=table["ndcg"], recall=table["ndcg"])


def test_the_model_is_compared_on_the_test_period_only() -> None:
    compared = select_test_metrics(
        build_metrics(
            [
                ("validation", "als", 10, 0.9),
                ("test", "popularity", 10, 0.2),
                ("test", "als", 10, 0.3),
                ("test", "something_new", 10, 0.1),
            ]
        )
    )
    assert compute_lift(compared, "NDCG", 10) == pytest.approx((0.3, 0.5))
    table = pivot_metrics(compared)
    assert list(table["method"]) == ["This model", "Popularity", "something_new"]
    assert list(table.columns) == ["method", "Precision@10", "Recall@10", "NDCG@10"]


def test_a_shop_without_an_evaluated_model_has_nothing_to_compare() -> None:
    compared = select_test_metrics(build_metrics([]))
    assert compared.empty
    assert all(pd.isna(value) for value in compute_lift(compared, "NDCG", 10))


def test_models_are_points_of_their_color_and_the_line_goes_through_one_of_a_day() -> None:
    quality = pd.DataFrame(
        {
            "data_date": pd.to_datetime(
                ["2026-03-01", "2026-03-02", "2026-03-02", "2026-03-02", "2026-03-03", "2026-03-03"]
            ),
            "run_id": ["a", "b", "c", "held back", "d", "not measured"],
            "trained_at": pd.date_range("2026-03-04", periods=6),
            "serving_started_at": pd.to_datetime(["2026-03-04", "2026-03-06", "2026-03-05", None, None, None]),
            "ndcg_at_10": [0.1, 0.2, 0.3, 0.4, 0.5, None],
            "best_baseline_ndcg_at_10": [0.1, 0.1, 0.1, 0.1, 0.1, None],
            "popularity_ndcg_at_10": [0.05, 0.05, 0.05, 0.05, 0.05, None],
        }
    )
    chart = build_quality_chart(quality).to_dict()
    (rows,) = chart["datasets"].values()
    models = [row for row in rows if row["series"] == "Models"]
    assert [row["run_id"] for row in models if row["on_line"]] == ["d", "a", "b"]
    assert {row["run_id"] for row in models} == {"a", "b", "c", "held back", "d"}
    assert len({row["drawn_at"] for row in models}) == len(models)
    lines, dots, points = chart["layer"]
    assert lines["transform"] == [{"filter": "datum.on_line"}]
    assert dots["transform"] == [{"filter": "datum.on_line"}, {"filter": "(datum.series !== 'Models')"}]
    assert points["encoding"]["fill"]["scale"] == points["encoding"]["color"]["scale"]
