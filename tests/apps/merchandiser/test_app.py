"""The pages of the merchandiser app compared with the published copy."""

import math
from typing import Any

import duckdb
import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from apps.merchandiser.copy_cache import get_live_copy
from apps.merchandiser.markdown import escape_markdown
from apps.merchandiser.trends import DRIFT_SUBJECTS
from models_ml.data.category_mix import CALIBRATION_SMOOTHING
from orchestration.dbt_runner import run_dbt
from tests.apps.conftest import OpenApp
from tests.sample_effect import create_effect_marts
from warehouse.errors import RecomartError
from warehouse.publishing.live_copy import POINTER_FILE
from warehouse.publishing.publisher import publish
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings


def get_history_table(app: AppTest) -> pd.DataFrame:
    """Return the history table."""
    return app.dataframe[0].value


def get_recommendations_table(app: AppTest) -> pd.DataFrame:
    """Return the recommendations table."""
    return app.dataframe[-1].value


def capture_exports(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Return a dictionary that collects the data of the download buttons in later runs, by file name."""
    exports: dict[str, bytes] = {}
    download_button = st.download_button

    def capture(label: str, data: bytes, file_name: str, *args: Any, **options: Any) -> bool:
        exports[file_name] = data
        return download_button(label, data, file_name, *args, **options)

    monkeypatch.setattr(st, "download_button", capture)
    return exports


def list_customer_ids(copy: ServingCopy) -> list[str]:
    return [str(user_id) for user_id in copy.search_customers(limit=300)["user_id"]]


def test_home_shows_most_active_customer(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    app = open_app()
    assert not app.exception
    assert app.selectbox(key="selected_customer").value == list_customer_ids(demo_copy)[0]
    figures = {metric.label: metric.value for metric in app.metric}
    customer = demo_copy.get_customer(list_customer_ids(demo_copy)[0])
    assert figures["Events"] == f"{customer['event_count']:,}"
    assert figures["Purchase lines"] == f"{customer['purchase_count']:,}"
    assert figures["Spent"] == f"{customer['total_spend']:,.2f}"
    assert figures["Favourite brand"] == customer["favourite_brand"].capitalize()


def test_link_shows_published_tables(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    linked = list_customer_ids(demo_copy)[200]
    app = open_app(customer=linked)
    timeline, published = demo_copy.get_timeline(linked), demo_copy.get_recommendations(linked, 10)
    columns = ["action_at", "action_type", "product_id", "product_name", "price"]
    pd.testing.assert_frame_equal(get_history_table(app)[columns], timeline[columns], check_dtype=False)
    columns = ["rank", "product_id", "product_name", "category", "brand", "price", "score", "reason"]
    pd.testing.assert_frame_equal(get_recommendations_table(app)[columns], published[columns], check_dtype=False)


def test_selection_changes_page_and_link(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    chosen = list_customer_ids(demo_copy)[3]
    app = open_app()
    app.selectbox(key="selected_customer").select(chosen).run()
    assert app.query_params["customer"] == chosen
    assert list(get_recommendations_table(app)["product_id"]) == list(
        demo_copy.get_recommendations(chosen, 10)["product_id"]
    )


def test_search_result_stays_after_clearing(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    user_id = list_customer_ids(demo_copy)[-1]
    app = open_app()
    app.text_input(key="search").set_value(user_id.upper()).run()
    assert app.selectbox(key="selected_customer").value == user_id
    assert app.query_params["customer"] == user_id
    app.text_input(key="search").set_value("").run()
    assert app.selectbox(key="selected_customer").value == user_id
    assert list(get_recommendations_table(app)["product_id"]) == list(
        demo_copy.get_recommendations(user_id, 10)["product_id"]
    )


def test_search_without_match_shows_message(open_app: OpenApp) -> None:
    app = open_app()
    app.text_input(key="search").set_value("no such customer").run()
    assert not app.exception
    assert "no such customer" in app.info[0].value
    assert app.caption[0].value.startswith("0 customers found. Last updated ")
    assert not app.dataframe


def test_selection_list_has_maximum_length(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    assert demo_copy.published.rows["dim_users"] > 300
    assert len(open_app().selectbox(key="selected_customer").options) == 100


def test_linked_customer_stays_across_pages(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    linked = list_customer_ids(demo_copy)[200]
    app = open_app(customer=linked)
    app.switch_page("quality.py").run()
    app.query_params.clear()
    app.switch_page("customers.py").run()
    assert app.selectbox(key="selected_customer").value == linked


def test_history_filter_by_action(open_app: OpenApp) -> None:
    app = open_app()
    full_history = get_history_table(app)
    app.segmented_control(key="actions").set_value(["Clicked"]).run()
    assert 0 < len(get_history_table(app)) == (full_history["action_type"] == "click").sum() < len(full_history)
    assert set(get_history_table(app)["action_type"]) == {"click"}


def test_slider_sets_list_length(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    app = open_app()
    assert len(get_recommendations_table(app)) == 10
    app.slider(key="customer_n").set_value(25).run()
    published = demo_copy.get_recommendations(list_customer_ids(demo_copy)[0], 25)
    assert list(get_recommendations_table(app)["product_id"]) == list(published["product_id"])
    assert app.slider(key="customer_n").max == demo_copy.get_max_list_length()


def test_filters_keep_original_ranks(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    published = demo_copy.get_recommendations(list_customer_ids(demo_copy)[0], demo_copy.get_max_list_length())
    category = published["category"].mode()[0]
    max_price = float(published.loc[published["category"] == category, "price"].median())
    app = open_app()
    app.multiselect(key="customer_category").select(category)
    app.number_input(key="customer_max_price").set_value(max_price).run()
    expected = published[(published["category"] == category) & (published["price"] <= max_price)].head(10)
    assert 0 < len(expected) < len(published)
    assert list(get_recommendations_table(app)["rank"]) == list(expected["rank"])

    app.multiselect(key="customer_brand").select(expected["brand"].iloc[-1]).run()
    assert set(get_recommendations_table(app)["brand"]) == {expected["brand"].iloc[-1]}


def test_filters_without_match_show_message(open_app: OpenApp) -> None:
    app = open_app()
    app.number_input(key="customer_min_price").set_value(1e9).run()
    assert not app.exception
    assert "matches the filters" in app.info[0].value
    assert app.download_button(key="customer_export").proto.disabled


def test_filter_stays_for_next_customer(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    first, second = list_customer_ids(demo_copy)[:2]
    brands = set(demo_copy.get_recommendations(first, 50)["brand"]) - set(
        demo_copy.get_recommendations(second, 50)["brand"]
    )
    brand = sorted(brands)[0]
    app = open_app(customer=first)
    app.multiselect(key="customer_brand").select(brand).run()
    app.selectbox(key="selected_customer").select(second).run()
    assert not app.exception
    assert app.multiselect(key="customer_brand").value == [brand]
    assert "matches the filters" in app.info[0].value


def test_export_has_visible_rows(
    open_app: OpenApp, demo_copy: ServingCopy, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    exports = capture_exports(monkeypatch)
    app = open_app()
    app.slider(key="customer_n").set_value(50)
    app.multiselect(key="customer_category").select(get_recommendations_table(app)["category"].iloc[0]).run()
    file = tmp_path / "export.csv"
    file.write_bytes(exports[f"recomart-recommendations-{list_customer_ids(demo_copy)[0]}.csv"])
    pd.testing.assert_frame_equal(
        pd.read_csv(file), get_recommendations_table(app).reset_index(drop=True), check_dtype=False
    )
    assert 0 < len(get_recommendations_table(app)) < 50


def test_unknown_customer_in_link(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    app = open_app(customer="unknown-customer")
    assert not app.exception
    assert escape_markdown("unknown-customer") in app.warning[0].value
    assert "recomart" not in app.warning[0].value
    assert not app.dataframe
    app.selectbox(key="selected_customer").select(list_customer_ids(demo_copy)[1]).run()
    assert not app.warning
    assert len(get_recommendations_table(app)) == 10


def test_new_customers_get_popular_products(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    app = open_app()
    app.switch_page("new_customers.py").run()
    assert not app.exception
    assert list(get_recommendations_table(app)["product_id"]) == list(demo_copy.get_popular_products(10)["product_id"])
    app.multiselect(key="new_customer_category").select("books").run()
    popular = demo_copy.get_popular_products(1000)
    assert list(get_recommendations_table(app)["rank"]) == list(
        popular[popular["category"] == "books"]["rank"].head(10)
    )


def test_new_customers_see_pinned_products(
    open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str]
) -> None:
    with duckdb.connect(str(writable_warehouse.database)) as connection:
        connection.execute("update marts.rec_popular_products set source = 'pinned' where rank = 2")
    publish(writable_warehouse, published_tables)
    app = open_app(writable_warehouse)
    app.switch_page("new_customers.py").run()
    assert list(get_recommendations_table(app)["source"])[:3] == ["Popular", "Pinned", "Popular"]


def test_quality_shows_published_figures(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    app = open_app()
    app.switch_page("quality.py").run()
    assert not app.exception
    ranking, certainty, runs, coverage, feeds = (table.value for table in app.dataframe)
    published = demo_copy.get_metrics()
    model = published[(published["method"] == "als") & (published["cutoff"] == "test")].set_index("k")
    shown = ranking.set_index("method").loc["This model"]
    for k in (5, 10, 20):
        assert shown[f"Precision@{k}"] == pytest.approx(model.loc[k, "precision"])
        assert shown[f"Recall@{k}"] == pytest.approx(model.loc[k, "recall"])
        assert shown[f"NDCG@{k}"] == pytest.approx(model.loc[k, "ndcg"])
    assert {"Popularity", "Item-item", "This model"} <= set(ranking["method"])
    differences = demo_copy.get_metric_differences()
    rows = differences[(differences["metric"] == "ndcg") & (differences["k"] == 10)].set_index("method")
    shown_difference = certainty.set_index("method").loc["Popularity", "NDCG"]
    assert shown_difference.startswith(f"{rows.loc['popularity', 'difference']:+.4f} (")
    assert list(runs["run_id"][runs["is_published"]]) == [demo_copy.published.run_id]
    by_category = demo_copy.get_coverage().query("segment == 'category'")
    assert list(coverage["coverage"]) == pytest.approx(list(100 * by_category["coverage"]))
    assert list(feeds["feed"]) == list(demo_copy.get_feed_accounting()["feed"])
    assert (feeds["lines"] == feeds["loaded"] + feeds["rejected"]).all()
    assert (feeds["loaded"] == feeds["clean"] + feeds["duplicates"] + feeds["quarantined"]).all()
    assert app.metric[1].value == demo_copy.published.run_id


def test_quality_shows_variety_of_lists(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    app = open_app()
    app.switch_page("quality.py").run()
    # The demo shop has no repeat purchases.
    (lists,) = (table.value.set_index("Metric") for table in app.table)
    published = demo_copy.get_metrics().query("k == 10").set_index("method")
    best = demo_copy.get_model_runs().set_index("run_id").loc[demo_copy.published.run_id, "best_baseline"]
    (best_label,) = (label for label in lists.columns if label.endswith("(best baseline)"))
    assert lists.loc["Coverage", best_label] == f"{published.loc[best, 'coverage']:.1%}"
    assert lists.loc["Most listed product", "Popularity"] == f"{published.loc['popularity', 'top_product_share']:.1%}"
    assert lists.loc["Serendipity", "This model"] == f"{published.loc['als', 'serendipity']:.1%}"
    largest_error = -math.log(CALIBRATION_SMOOTHING)
    match = 1 - published["calibration_error"] / largest_error
    assert list(published["category_match"]) == pytest.approx(list(match))
    assert lists.loc["Category match", "This model"] == f"{match['als']:.1%}"


def test_quality_shows_new_and_repeat_products(
    open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str]
) -> None:
    with duckdb.connect(str(writable_warehouse.database)) as connection:
        for value, recall in (("new", 0.125), ("repeat", 0.875)):
            connection.execute(
                "insert into marts.eval_ranking_metrics select * replace ('purchase' as segment, ? as segment_value, "
                "? as recall) from marts.eval_ranking_metrics where segment = 'all'",
                [value, recall],
            )
    publish(writable_warehouse, published_tables)
    app = open_app(writable_warehouse)
    app.switch_page("quality.py").run()
    assert not app.exception
    purchases = app.table[1].value.set_index("Metric")
    assert purchases.loc["New products: recall", "This model"] == "12.5%"
    assert purchases.loc["Repeat products: recall", "Popularity"] == "87.5%"
    assert [caption.value for caption in app.caption if "new and repeat products" in caption.value]


def test_quality_shows_copy_without_list_metrics(
    open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str]
) -> None:
    """A copy that an earlier version published lacks the newer metrics and the table of repeat purchases."""
    with duckdb.connect(str(writable_warehouse.database)) as connection:
        for column in ("category_match", "calibration_error", "serendipity", "diversity"):
            connection.execute(f"alter table marts.eval_ranking_metrics drop column {column}")
    publish(writable_warehouse, [table for table in published_tables if table != "feat_shop_repeats"])
    app = open_app(writable_warehouse)
    app.switch_page("quality.py").run()
    assert not app.exception
    assert "Coverage" in set(app.table[0].value["Metric"])
    assert "Diversity" not in set(app.table[0].value["Metric"])


def test_effect_shows_verdict_first(
    open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str]
) -> None:
    with duckdb.connect(str(writable_warehouse.database)) as connection:
        create_effect_marts(connection)
    publish(writable_warehouse, published_tables)
    app = open_app(writable_warehouse).switch_page("effect.py").run()
    assert not app.exception
    assert [header.value for header in app.subheader] == ["Experiment rules", "Experiment lists", "Recommendations"]
    (verdict,) = app.success
    assert verdict.value.startswith("Arm personal\\, Conversion\\: higher than in the control\\.")
    assert [info.value for info in app.info] == ["No customers of an arm and of the control took part yet."]
    assert any("personal\\: recommendations of the serving model\\, 1" in caption.value for caption in app.caption)
    metrics, *groups = [table.value for table in app.dataframe]
    assert list(metrics["Metric"]) == ["Conversion", "Click-through rate (inferred)", "Average order value"]
    assert list(metrics["Adjusted lift"]) == ["+20.0%", "-", "+3.0%"]
    assert [table["group"].iloc[0] for table in groups] == ["2026-03-02", "1", "Personal", "customer"]
    figures = {metric.label: metric.value for metric in app.metric}
    assert figures["Impressions (inferred)"] == "12,100"
    assert figures["Click-through rate (inferred)"] == "2.5%"


def test_effect_without_experiment_says_so(open_app: OpenApp) -> None:
    app = open_app().switch_page("effect.py").run()
    assert not app.exception
    assert [header.value for header in app.subheader] == ["Recommendations"]
    assert any(caption.value.startswith("No experiment is declared.") for caption in app.caption)


def test_effect_of_earlier_copy(open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str]) -> None:
    publish(writable_warehouse, [table for table in published_tables if not table.startswith("effect_")])
    app = open_app(writable_warehouse).switch_page("effect.py").run()
    assert not app.exception
    assert "An earlier version of RecoMart published this copy" in app.info[0].value


@pytest.mark.parametrize("page", ["customers.py", "new_customers.py", "effect.py", "quality.py"])
def test_missing_copy_names_command(open_app: OpenApp, tmp_path: Any, page: str) -> None:
    app = open_app(Settings(warehouse=tmp_path))
    app.switch_page(page).run()
    assert not app.exception
    assert "recomart run" in app.warning[0].value


def test_damaged_pointer_or_copy_names_command(
    open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str]
) -> None:
    published = publish(writable_warehouse, published_tables)
    (writable_warehouse.serving_dir / published.file).write_bytes(b"not a database")
    damaged_copy = open_app(writable_warehouse)
    assert not damaged_copy.exception
    assert "recomart publish" in damaged_copy.warning[0].value

    (writable_warehouse.serving_dir / POINTER_FILE).write_text("{", encoding="utf-8")
    damaged_pointer = open_app(writable_warehouse)
    assert not damaged_pointer.exception
    assert "recomart publish" in damaged_pointer.warning[0].value


def test_missing_table_is_named(open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str]) -> None:
    published = publish(writable_warehouse, published_tables)
    with duckdb.connect(str(writable_warehouse.serving_dir / published.file)) as connection:
        connection.execute("drop table rec_user_timeline")
    # Copies of earlier versions have no checksum.
    unverified = published.model_copy(update={"sha256": None})
    (writable_warehouse.serving_dir / POINTER_FILE).write_text(unverified.model_dump_json(), encoding="utf-8")
    app = open_app(writable_warehouse)
    assert not app.exception
    assert escape_markdown("rec_user_timeline") in app.warning[0].value


def test_next_run_shows_new_publication(
    open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str]
) -> None:
    publish(writable_warehouse, published_tables)
    app = open_app(writable_warehouse)
    assert len(get_recommendations_table(app)) == 10
    with duckdb.connect(str(writable_warehouse.database)) as connection:
        connection.execute("delete from marts.rec_top_n where rank > 4")
    # The app still has the previous copy open, which must not disturb the publication.
    publish(writable_warehouse, published_tables)
    assert len(get_recommendations_table(app.run())) == 4


def test_old_copies_are_closed(
    writable_warehouse: Settings, published_tables: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECOMART_WAREHOUSE", str(writable_warehouse.warehouse))
    copies = []
    for _ in range(3):
        publish(writable_warehouse, published_tables)
        copies.append(get_live_copy())
    assert copies[2] is get_live_copy()
    assert copies[1].get_max_list_length() == copies[2].get_max_list_length()
    with pytest.raises(RecomartError, match="cannot be read"):
        copies[0].get_max_list_length()


@pytest.mark.slow
def test_quality_explains_missing_metrics(
    open_app: OpenApp,
    writable_warehouse: Settings,
    published_tables: list[str],
) -> None:
    with duckdb.connect(str(writable_warehouse.database)) as connection:
        connection.execute("delete from ml.ranking_metrics")
    run_dbt(writable_warehouse, "run", "--select", "eval_ranking_metrics", "eval_model_runs")
    publish(writable_warehouse, published_tables)
    app = open_app(writable_warehouse)
    app.switch_page("quality.py").run()
    assert not app.exception
    assert [info.value for info in app.info if info.value.startswith("The published model could not be evaluated: ")]


def test_quality_shows_trend_and_drift(
    open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str]
) -> None:
    with duckdb.connect(str(writable_warehouse.database)) as connection:
        connection.execute(
            "insert into marts.eval_model_runs select * replace (data_date - 1 as data_date, 'earlier' as run_id, "
            "false as is_serving, null as serving_started_at, null as promotion_number) from marts.eval_model_runs"
        )
        connection.execute("delete from marts.audit_drift")
        connection.execute(
            """
            insert into marts.audit_drift by name
            select
                'mix' as kind, 'device' as name, 9 as bin_count, 100 as reference_rows, 100 as current_rows,
                1 as design_effect, 0.4 as psi, 0.1 as psi_critical_value, 'significant' as drift_level,
                'web: all' as largest_shift,
                date '2026-01-01' as reference_first_date, date '2026-01-28' as reference_last_date,
                date '2026-01-29' as current_first_date, date '2026-02-04' as current_last_date
            """
        )
    publish(writable_warehouse, published_tables)
    app = open_app(writable_warehouse)
    app.switch_page("quality.py").run()
    assert not app.exception
    assert "Quality over time" in [heading.value for heading in app.subheader]
    (drift,) = (table.value for table in app.dataframe if "largest_shift" in table.value)
    assert drift[["name", "drift_level", "largest_shift"]].to_numpy().tolist() == [
        ["Devices", "significant", "web: all"]
    ]
    periods = "Actions: 29 Jan to 04 Feb 2026 compared with 01 Jan to 28 Jan 2026."
    assert [caption.value for caption in app.caption if caption.value.endswith(periods)]


def test_every_drift_subject_has_a_label(demo_copy: ServingCopy) -> None:
    # The share of new customers is compared only in a shop with a longer history.
    assert set(demo_copy.get_drift()["name"]) == set(DRIFT_SUBJECTS) - {"customer"}
