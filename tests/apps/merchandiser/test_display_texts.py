"""The display functions of the app on edge cases that the demo shop lacks."""

import io

import pandas as pd
import pytest

from apps.merchandiser.customers.customer_texts import describe_customer
from apps.merchandiser.markdown import WORD_JOINER, escape_markdown
from apps.merchandiser.product_filter import ProductFilter, add_display_columns
from apps.merchandiser.quality.list_quality import LIST_METRIC_LABELS, build_list_table, build_purchase_table
from apps.merchandiser.quality.metric_tables import compute_gain_over_popularity, melt_metrics, pivot_metrics
from apps.merchandiser.quality.quality_sections import METHOD_COLORS
from apps.merchandiser.quality.trends import build_quality_chart
from apps.merchandiser.table_columns import select_filled_columns
from warehouse.spreadsheets import encode_csv


def build_recommendations(**columns: list[object]) -> pd.DataFrame:
    """Return rows of `rec_top_n` with the given columns and default values for the others."""
    count = len(next(iter(columns.values())))
    defaults = {
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
    return pd.DataFrame({**defaults, **columns})


def test_relative_score_is_per_source() -> None:
    recommendations = build_recommendations(
        score=[0.8, 0.4, 300.0, 30.0], source=["model", "model", "popularity", "popularity"]
    )
    displayed = add_display_columns(recommendations)
    assert list(displayed["relative_score"]) == [100, 50, 100, 10]
    assert list(displayed["source"]) == ["Personal", "Personal", "Popular", "Popular"]


def test_pinned_product_has_no_score() -> None:
    displayed = add_display_columns(build_recommendations(score=[9.0, 0.8, 0.4], source=["pinned", "model", "model"]))
    assert displayed["relative_score"].fillna(-1).tolist() == [-1, 100, 50]
    assert displayed["score"].fillna(-1).tolist() == [-1, 0.8, 0.4]


def test_relative_score_of_negative_is_zero() -> None:
    assert list(add_display_columns(build_recommendations(score=[-0.1, 0.0]))["relative_score"]) == [0, 0]


def test_price_filter_excludes_missing_price() -> None:
    priced = build_recommendations(price=[None, 5.0, 10.0])
    assert len(ProductFilter().apply(priced)) == 3
    assert list(ProductFilter(min_price=5.0).apply(priced)["price"]) == [5.0, 10.0]
    assert list(ProductFilter(max_price=5.0).apply(priced)["price"]) == [5.0]


def test_category_and_brand_filters_combine() -> None:
    product_filter = ProductFilter(categories=("toys", "books"), brands=("hollin",))
    matching = product_filter.apply(
        build_recommendations(category=["toys", "books", "shoes"], brand=["hollin", "alderly", "hollin"])
    )
    assert list(matching["rank"]) == [1]


def test_select_filled_columns_skips_empty() -> None:
    table = build_recommendations(brand=[None, None])
    assert select_filled_columns(table, ["rank", "brand", "category"]) == ["rank", "category"]


def test_encode_csv_starts_with_byte_order_mark() -> None:
    exported = encode_csv(build_recommendations(product_name=["Crème brûlée, large"]))
    assert exported.startswith(b"\xef\xbb\xbf")
    assert "Crème brûlée, large" in exported.decode("utf-8-sig")


def test_encode_csv_neutralizes_formulas() -> None:
    names = ["=1+1", "+1", "-1", "@sum", "\tx", "\rx", "\n =1", "＝1", "a=1", None]  # noqa: RUF001
    exported = pd.read_csv(io.BytesIO(encode_csv(pd.DataFrame({"name": names, "score": [-1.5] * len(names)}))))
    assert exported["name"].fillna("").tolist() == [*(f"'{name}" for name in names[:8]), "a=1", ""]
    assert set(exported["score"]) == {-1.5}


def test_escape_markdown() -> None:
    assert escape_markdown("[a](b) $x$ <i> `c`\n# d") == r"\[a\]\(b\) \$x\$ \<i\> \`c\` \# d"
    # Streamlit makes links of URLs and addresses even in escaped text; one word joiner breaks each of the three.
    assert escape_markdown("http://a, www.a and b@a").count(WORD_JOINER) == 3
    assert escape_markdown("Crème brûlée 2") == "Crème brûlée 2"


def test_describe_customer_with_missing_values() -> None:
    labels = describe_customer(
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
        },
        "EUR",
    )
    assert labels["First seen"] == "3 Jan 2026"
    assert labels["Items bought"] == "1,234"
    assert labels["Spent"] == "98,765.43 EUR"
    missing_values = {labels[name] for name in ("Last seen", "Favourite category", "Favourite brand", "Device")}
    assert missing_values == {"—"}


def build_metrics(rows: list[tuple[str, str, int, float]]) -> pd.DataFrame:
    """Return rows of `eval_ranking_metrics` with equal precision, recall and NDCG."""
    table = pd.DataFrame(rows, columns=["cutoff", "method", "k", "ndcg"])
    return table.assign(users=7, precision=table["ndcg"], recall=table["ndcg"])


def test_metrics_have_labels_and_columns() -> None:
    metrics = melt_metrics(
        build_metrics(
            [
                ("test", "popularity", 10, 0.2),
                ("test", "als", 10, 0.3),
                ("test", "something_new", 10, 0.1),
            ]
        )
    )
    value, gain = compute_gain_over_popularity(metrics, "NDCG", 10)
    assert (value, gain) == pytest.approx((0.3, 0.3 / 0.2 - 1))
    table = pivot_metrics(metrics)
    assert list(table["method"]) == ["This model", "Popularity", "Something_new"]
    assert list(table.columns) == ["method", "Precision@10", "Recall@10", "NDCG@10"]


def test_metrics_without_evaluated_model() -> None:
    metrics = melt_metrics(build_metrics([]))
    assert metrics.empty
    assert all(pd.isna(value) for value in compute_gain_over_popularity(metrics, "NDCG", 10))


def build_shares(**columns: list[object]) -> pd.DataFrame:
    """Return rows of `eval_ranking_metrics` with the given columns and 0.5 for each other share."""
    count = len(columns["method"])
    names = (*LIST_METRIC_LABELS, "precision", "recall", "hit_rate")
    return pd.DataFrame({"k": [10] * count, **{name: [0.5] * count for name in names}, **columns})


def test_list_table_has_three_methods() -> None:
    metrics = build_shares(
        method=["als", "popularity", "ease", "item_item", "als"],
        k=[10, 10, 10, 10, 5],
        top_product_share=[0.2473, 0.7587, 0.2, 0.3, 0.9],
    )
    table = build_list_table(metrics, "ease", 10).set_index("Metric")
    assert list(table.columns) == ["This model", "Popularity", "EASE (best baseline)", "Meaning"]
    assert list(table.index) == [label for label, _ in LIST_METRIC_LABELS.values()]
    assert list(table.loc["Most listed product"])[:3] == ["24.7%", "75.9%", "20.0%"]


def test_list_table_with_popularity_as_best() -> None:
    table = build_list_table(build_shares(method=["als", "popularity"]), "popularity", 10)
    assert list(table.columns) == ["Metric", "This model", "Popularity (best baseline)", "Meaning"]
    assert "Popularity" in build_list_table(build_shares(method=["als", "popularity"]), None, 10)


def test_list_table_skips_missing_metrics() -> None:
    """A shop without categories has no category match; a copy of an earlier version lacks columns."""
    metrics = build_shares(method=["als", "popularity"], category_match=[None, None], diversity=[None, 0.25])
    table = build_list_table(metrics.drop(columns="serendipity"), None, 10).set_index("Metric")
    assert not {"Category match", "Serendipity"} & set(table.index)
    assert list(table.loc["Diversity"])[:2] == ["—", "25.0%"]
    assert build_list_table(metrics.head(0), None, 10).empty


def test_purchase_table_separates_new_and_repeat() -> None:
    metrics = build_shares(
        method=["als", "als", "popularity"], segment_value=["new", "repeat", "new"], recall=[0.024, 0.9, 0.109]
    )
    table = build_purchase_table(metrics, None, 10).set_index("Metric")
    assert list(table.loc["New products: recall"])[:2] == ["2.4%", "10.9%"]
    assert list(table.loc["Repeat products: recall"])[:2] == ["90.0%", "—"]
    assert "repeat products of interest" in table.loc["Repeat products: recall", "Meaning"]
    assert build_purchase_table(metrics.head(0), None, 10).empty


def test_quality_line_has_one_model_per_day() -> None:
    """The line has the model of each day that started to serve last, or was trained last if none served."""
    quality = pd.DataFrame(
        {
            "data_date": pd.to_datetime(
                ["2026-03-01", "2026-03-02", "2026-03-02", "2026-03-02", "2026-03-03", "2026-03-03"]
            ),
            "run_id": ["a", "b", "c", "rejected", "d", "not measured"],
            "trained_at": pd.date_range("2026-03-04", periods=6),
            "serving_started_at": pd.to_datetime(["2026-03-04", "2026-03-06", "2026-03-05", None, None, None]),
            "run_number": [1, 3, 4, 7, 8, 9],
            "promotion_number": [2, 6, 5, None, None, None],
            "ndcg_at_10": [0.1, 0.2, 0.3, 0.4, 0.5, None],
            "best_baseline_ndcg_at_10": [0.1, 0.1, 0.1, 0.1, 0.1, None],
            "popularity_ndcg_at_10": [0.05, 0.05, 0.05, 0.05, 0.05, None],
        }
    )
    chart = build_quality_chart(quality).to_dict()
    (rows,) = chart["datasets"].values()
    models = [row for row in rows if row["series"] == "Models"]
    assert {row["run_id"] for row in models if row["is_on_line"]} == {"a", "b", "d"}
    assert {row["run_id"] for row in models} == {"a", "b", "c", "rejected", "d"}
    # Models of one day are spread over the day, so that their points do not overlap.
    assert len({row["drawn_at"] for row in models}) == len(models)
    lines, baseline_points, model_points = chart["layer"]
    assert lines["transform"] == [{"filter": "datum.is_on_line"}]
    # A baseline's line of a single day is visible only as a point.
    assert baseline_points["transform"] == [{"filter": "datum.is_on_line"}, {"filter": "(datum.series !== 'Models')"}]
    # Filled and hollow points have the colors of the legend.
    assert model_points["encoding"]["fill"]["scale"] == model_points["encoding"]["color"]["scale"]


def test_model_is_brightest_in_dark_theme() -> None:
    def compute_luma(color: str) -> float:
        red, green, blue = bytes.fromhex(color[1:])
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    luma = {method: compute_luma(color) for method, color in METHOD_COLORS["dark"].items()}
    assert max(luma, key=lambda method: luma[method]) == "This model"
    assert luma["Best possible"] < luma["Popularity"]
