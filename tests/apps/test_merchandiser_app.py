"""What merchandisers see, page by page, compared with what is published."""

from typing import Any

import duckdb
import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from apps.merchandiser.live import live_copy
from apps.merchandiser.markdown import literal
from apps.merchandiser.over_time import COMPARED
from orchestration.dbt import run_dbt
from orchestration.training import LISTS
from tests.apps.conftest import OpenApp
from warehouse.errors import RecomartError
from warehouse.publish import POINTER, publish
from warehouse.serving import ServingCopy
from warehouse.settings import Settings


def history(app: AppTest) -> pd.DataFrame:
    """The table of what a customer did."""
    return app.dataframe[0].value


def offers(app: AppTest) -> pd.DataFrame:
    """The table of offers, on the pages that have one."""
    return app.dataframe[-1].value


def exports(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What the download buttons of the following runs hold, by file name."""
    held: dict[str, bytes] = {}
    real = st.download_button

    def keep(label: str, data: bytes, file_name: str, *args: Any, **options: Any) -> bool:
        held[file_name] = data
        return real(label, data, file_name, *args, **options)

    monkeypatch.setattr(st, "download_button", keep)
    return held


def some_customers(copy: ServingCopy) -> list[str]:
    return [str(user_id) for user_id in copy.customers(limit=300)["user_id"]]


def test_home_opens_with_the_busiest_customer(open_app: OpenApp, copy: ServingCopy) -> None:
    app = open_app()
    assert not app.exception
    assert app.selectbox(key="picked").value == some_customers(copy)[0]
    facts = {metric.label: metric.value for metric in app.metric}
    customer = copy.customer(some_customers(copy)[0])
    assert facts["Events"] == f"{customer['event_count']:,}"
    assert facts["Purchase lines"] == f"{customer['purchase_count']:,}"
    assert facts["Spent"] == f"{customer['total_spend']:,.2f}"
    assert facts["Favourite brand"] == customer["favourite_brand"].capitalize()


def test_a_link_shows_its_customers_history_and_offers_as_published(open_app: OpenApp, copy: ServingCopy) -> None:
    linked = some_customers(copy)[200]
    app = open_app(customer=linked)
    timeline, published = copy.timeline(linked), copy.recommendations(linked, 10)
    columns = ["action_at", "action_type", "product_id", "product_name", "price"]
    pd.testing.assert_frame_equal(history(app)[columns], timeline[columns], check_dtype=False)
    columns = ["rank", "product_id", "product_name", "category", "brand", "price", "score", "reason"]
    pd.testing.assert_frame_equal(offers(app)[columns], published[columns], check_dtype=False)


def test_choosing_a_customer_changes_the_page_and_its_link(open_app: OpenApp, copy: ServingCopy) -> None:
    chosen = some_customers(copy)[3]
    app = open_app()
    app.selectbox(key="picked").select(chosen).run()
    assert app.query_params["customer"] == chosen
    assert list(offers(app)["product_id"]) == list(copy.recommendations(chosen, 10)["product_id"])


def test_searching_shows_the_match_and_keeps_it_when_the_search_is_cleared(
    open_app: OpenApp, copy: ServingCopy
) -> None:
    wanted = some_customers(copy)[-1]
    app = open_app()
    app.text_input(key="search").set_value(wanted.upper()).run()
    assert app.selectbox(key="picked").value == wanted
    assert app.query_params["customer"] == wanted
    app.text_input(key="search").set_value("").run()
    assert app.selectbox(key="picked").value == wanted
    assert list(offers(app)["product_id"]) == list(copy.recommendations(wanted, 10)["product_id"])


def test_a_search_that_nobody_matches_says_so(open_app: OpenApp) -> None:
    app = open_app()
    app.text_input(key="search").set_value("nobody is called this").run()
    assert not app.exception
    assert "nobody is called this" in app.info[0].value
    assert app.caption[0].value.startswith("0 customers found. Published ")
    assert not app.dataframe


def test_the_list_to_choose_from_stays_short(open_app: OpenApp, copy: ServingCopy) -> None:
    assert copy.published.rows["dim_users"] > 300
    assert len(open_app().selectbox(key="picked").options) == 100


def test_a_linked_customer_stays_when_another_page_was_looked_at(open_app: OpenApp, copy: ServingCopy) -> None:
    linked = some_customers(copy)[200]
    app = open_app(customer=linked)
    app.switch_page("quality.py").run()
    app.query_params.clear()
    app.switch_page("customers.py").run()
    assert app.selectbox(key="picked").value == linked


def test_history_is_narrowed_down_to_an_action(open_app: OpenApp) -> None:
    app = open_app()
    everything = history(app)
    app.segmented_control(key="actions").set_value(["Clicked"]).run()
    assert 0 < len(history(app)) == (everything["action_type"] == "click").sum() < len(everything)
    assert set(history(app)["action_type"]) == {"click"}


def test_the_slider_says_how_many_are_offered(open_app: OpenApp, copy: ServingCopy) -> None:
    app = open_app()
    assert len(offers(app)) == 10
    app.slider(key="customer_n").set_value(25).run()
    published = copy.recommendations(some_customers(copy)[0], 25)
    assert list(offers(app)["product_id"]) == list(published["product_id"])
    assert app.slider(key="customer_n").max == copy.longest_list()


def test_filters_keep_what_matches_with_its_rank(open_app: OpenApp, copy: ServingCopy) -> None:
    published = copy.recommendations(some_customers(copy)[0], copy.longest_list())
    category = published["category"].mode()[0]
    dearest = float(published.loc[published["category"] == category, "price"].median())
    app = open_app()
    app.multiselect(key="customer_category").select(category)
    app.number_input(key="customer_to").set_value(dearest).run()
    expected = published[(published["category"] == category) & (published["price"] <= dearest)].head(10)
    assert 0 < len(expected) < len(published)
    assert list(offers(app)["rank"]) == list(expected["rank"])

    app.multiselect(key="customer_brand").select(expected["brand"].iloc[-1]).run()
    assert set(offers(app)["brand"]) == {expected["brand"].iloc[-1]}


def test_filters_that_nothing_passes_say_so(open_app: OpenApp) -> None:
    app = open_app()
    app.number_input(key="customer_from").set_value(1e9).run()
    assert not app.exception
    assert "passes the filters" in app.info[0].value
    assert app.download_button(key="customer_export").proto.disabled


def test_a_filter_stays_while_customers_are_gone_through(open_app: OpenApp, copy: ServingCopy) -> None:
    first, second = some_customers(copy)[:2]
    brands = set(copy.recommendations(first, 50)["brand"]) - set(copy.recommendations(second, 50)["brand"])
    brand = sorted(brands)[0]
    app = open_app(customer=first)
    app.multiselect(key="customer_brand").select(brand).run()
    app.selectbox(key="picked").select(second).run()
    assert not app.exception
    assert app.multiselect(key="customer_brand").value == [brand]
    assert "passes the filters" in app.info[0].value


def test_the_export_holds_what_is_shown(
    open_app: OpenApp, copy: ServingCopy, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    held = exports(monkeypatch)
    app = open_app()
    app.slider(key="customer_n").set_value(50)
    app.multiselect(key="customer_category").select(offers(app)["category"].iloc[0]).run()
    file = tmp_path / "export.csv"
    file.write_bytes(held[f"recomart-offers-{some_customers(copy)[0]}.csv"])
    pd.testing.assert_frame_equal(pd.read_csv(file), offers(app).reset_index(drop=True), check_dtype=False)
    assert 0 < len(offers(app)) < 50


def test_an_unknown_customer_in_the_link_is_named_and_another_can_be_chosen(
    open_app: OpenApp, copy: ServingCopy
) -> None:
    app = open_app(customer="who-is-this")
    assert not app.exception
    assert literal("who-is-this") in app.warning[0].value
    assert "recomart" not in app.warning[0].value
    assert not app.dataframe
    app.selectbox(key="picked").select(some_customers(copy)[1]).run()
    assert not app.warning
    assert len(offers(app)) == 10


def test_new_customers_are_offered_what_is_popular(open_app: OpenApp, copy: ServingCopy) -> None:
    app = open_app()
    app.switch_page("new_customers.py").run()
    assert not app.exception
    assert list(offers(app)["product_id"]) == list(copy.popular_products(10)["product_id"])
    app.multiselect(key="stranger_category").select("books").run()
    everything = copy.popular_products(1000)
    assert list(offers(app)["rank"]) == list(everything[everything["category"] == "books"]["rank"].head(10))


def test_new_customers_are_shown_what_is_pinned_as_pinned(
    open_app: OpenApp, own_warehouse: Settings, tables: list[str]
) -> None:
    with duckdb.connect(str(own_warehouse.database)) as connection:
        connection.execute("update marts.rec_popular_products set source = 'pinned' where rank = 2")
    publish(own_warehouse, tables)
    app = open_app(own_warehouse)
    app.switch_page("new_customers.py").run()
    assert list(offers(app)["source"])[:3] == ["Popular", "Pinned", "Popular"]


def test_quality_shows_the_live_model_beside_its_baselines(open_app: OpenApp, copy: ServingCopy) -> None:
    app = open_app()
    app.switch_page("quality.py").run()
    assert not app.exception
    ranking, certainty, runs, coverage, feeds = (table.value for table in app.dataframe)
    published = copy.metrics()
    model = published[(published["method"] == "als") & (published["cutoff"] == "test")].set_index("k")
    shown = ranking.set_index("method").loc["This model"]
    for k in (5, 10, 20):
        assert shown[f"Precision@{k}"] == pytest.approx(model.loc[k, "precision"])
        assert shown[f"Recall@{k}"] == pytest.approx(model.loc[k, "recall"])
        assert shown[f"NDCG@{k}"] == pytest.approx(model.loc[k, "ndcg"])
    assert {"Popularity", "Item-item", "This model"} <= set(ranking["method"])
    differences = copy.metric_differences()
    rows = differences[(differences["metric"] == "ndcg") & (differences["k"] == 10)].set_index("method")
    shown_difference = certainty.set_index("method").loc["Popularity", "NDCG"]
    assert shown_difference.startswith(f"{rows.loc['popularity', 'difference']:+.4f} (")
    assert list(runs["run_id"][runs["is_live"]]) == [copy.published.run_id]
    by_category = copy.coverage().query("segment == 'category'")
    assert list(coverage["coverage"]) == pytest.approx(list(100 * by_category["coverage"]))
    assert list(feeds["feed"]) == list(copy.accounting()["feed"])
    assert (feeds["lines"] == feeds["loaded"] + feeds["rejected"]).all()
    assert (feeds["loaded"] == feeds["clean"] + feeds["duplicates"] + feeds["quarantined"]).all()
    assert app.metric[1].value == copy.published.run_id


@pytest.mark.parametrize("page", ["customers.py", "new_customers.py", "quality.py"])
def test_nothing_published_says_what_to_run(open_app: OpenApp, tmp_path: Any, page: str) -> None:
    app = open_app(Settings(warehouse=tmp_path))
    app.switch_page(page).run()
    assert not app.exception
    assert "recomart run" in app.warning[0].value


def test_a_damaged_pointer_or_copy_says_what_to_run(
    open_app: OpenApp, own_warehouse: Settings, tables: list[str]
) -> None:
    published = publish(own_warehouse, tables)
    (own_warehouse.serving_dir / published.file).write_bytes(b"not a database")
    damaged_copy = open_app(own_warehouse)
    assert not damaged_copy.exception
    assert "recomart publish" in damaged_copy.warning[0].value

    (own_warehouse.serving_dir / POINTER).write_text("{", encoding="utf-8")
    damaged_pointer = open_app(own_warehouse)
    assert not damaged_pointer.exception
    assert "recomart publish" in damaged_pointer.warning[0].value


def test_a_copy_without_a_table_says_what_to_run(open_app: OpenApp, own_warehouse: Settings, tables: list[str]) -> None:
    published = publish(own_warehouse, tables)
    with duckdb.connect(str(own_warehouse.serving_dir / published.file)) as connection:
        connection.execute("drop table rec_user_timeline")
    app = open_app(own_warehouse)
    assert not app.exception
    assert literal("rec_user_timeline") in app.warning[0].value


def test_a_newer_publication_shows_on_the_next_interaction(
    open_app: OpenApp, own_warehouse: Settings, tables: list[str]
) -> None:
    publish(own_warehouse, tables)
    app = open_app(own_warehouse)
    assert len(offers(app)) == 10
    with duckdb.connect(str(own_warehouse.database)) as connection:
        connection.execute("delete from marts.rec_top_n where rank > 4")
    # The app still holds the copy before: publishing must not mind.
    publish(own_warehouse, tables)
    assert len(offers(app.run())) == 4


def test_copies_from_before_the_last_publications_are_closed(
    own_warehouse: Settings, tables: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECOMART_WAREHOUSE", str(own_warehouse.warehouse))
    copies = []
    for _ in range(3):
        publish(own_warehouse, tables)
        copies.append(live_copy())
    assert copies[2] is live_copy()
    assert copies[1].longest_list() == copies[2].longest_list()
    with pytest.raises(RecomartError, match="cannot be read"):
        copies[0].longest_list()


@pytest.mark.parametrize(
    ("dropped", "told"),
    [
        (LISTS, "The lists that the live model was evaluated by are no longer kept; "),
        ((*LISTS, "ranking_metrics"), "There was nothing to evaluate the live model on: "),
    ],
    ids=["an older run that was promoted", "a run that had nobody to be measured on"],
)
def test_quality_says_why_the_live_model_is_not_compared(
    open_app: OpenApp, own_warehouse: Settings, tables: list[str], dropped: tuple[str, ...], told: str
) -> None:
    with duckdb.connect(str(own_warehouse.database)) as connection:
        for table in dropped:
            connection.execute(f"delete from ml.{table}")
    run_dbt(own_warehouse, "run", "--select", "eval_ranking_metrics", "eval_model_runs", "eval_quality_by_day")
    publish(own_warehouse, tables)
    app = open_app(own_warehouse)
    app.switch_page("quality.py").run()
    assert not app.exception
    assert [info.value for info in app.info if info.value.startswith(told)]


def test_quality_shows_what_has_changed_over_the_days(
    open_app: OpenApp, own_warehouse: Settings, tables: list[str]
) -> None:
    with duckdb.connect(str(own_warehouse.database)) as connection:
        connection.execute(
            "insert into marts.eval_quality_by_day select * replace (data_date - 1 as data_date, 'earlier' as run_id, "
            "false as is_serving, null as serving_started_at) from marts.eval_quality_by_day"
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
    publish(own_warehouse, tables)
    app = open_app(own_warehouse)
    app.switch_page("quality.py").run()
    assert not app.exception
    assert "Quality over the days" in [heading.value for heading in app.subheader]
    (drift,) = (table.value for table in app.dataframe if "largest_shift" in table.value)
    assert drift[["name", "drift_level", "largest_shift"]].to_numpy().tolist() == [
        ["Devices", "has shifted", "web: all"]
    ]
    days = "Actions: 29 Jan to 04 Feb 2026 beside 01 Jan to 28 Jan 2026."
    assert [caption.value for caption in app.caption if caption.value.endswith(days)]


def test_all_that_is_compared_with_what_was_usual_has_a_name_in_words(copy: ServingCopy) -> None:
    # Who is new is compared in an older shop only.
    assert set(copy.drift()["name"]) == set(COMPARED) - {"customer"}
