"""The pages of the merchandiser app compared with the published copy."""

import math
import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from apps.merchandiser.copy_cache import get_live_copy
from apps.merchandiser.markdown import escape_markdown
from apps.merchandiser.page_list import PAGES
from apps.merchandiser.quality.quality_answers import TODAY_SUBJECTS, UNKNOWN_DRIFT, describe_unusual
from apps.merchandiser.quality.trends import DRIFT_SUBJECTS
from apps.merchandiser.today.today_lines import LINES, TodayLine, TodayState
from models_ml.data.category_mix import CALIBRATION_SMOOTHING
from orchestration.dbt_runner import run_dbt
from tests.apps.conftest import APP_FILE, OpenApp
from tests.apps.merchandiser.app_contents import get_recommendations_table, list_checkbox_columns
from tests.sample_effect import create_effect_marts
from warehouse.errors import RecomartError
from warehouse.publishing.live_copy import POINTER_FILE
from warehouse.publishing.publisher import publish
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.settings import Settings


def test_quality_answers_first(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    app = open_app("quality")
    assert not app.exception
    week = f"of the week until {demo_copy.published.newest_row_at:%d %b %Y}"
    # The demo shop's data end before the present day.
    assert app.error[0].value == escape_markdown(
        "Yes: the age of the data and yesterday's delivery. The red answers below say why, as the page Today does. "
        f"Distributions {week}: {len(demo_copy.get_drift())} checks, all normal."
    )
    assert not app.dataframe


def test_quality_shows_published_figures(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    app = open_app("quality", part="Model")
    assert not app.exception
    ranking, certainty, runs = (table.value for table in app.dataframe)
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
    assert list(runs["run_id"][runs["is_published"] == "published"]) == [demo_copy.published.run_id]
    assert app.metric[1].value == demo_copy.published.run_id


@pytest.mark.parametrize("part", ["Model", "Lists", "Data"])
def test_quality_tables_have_no_checkboxes(open_app: OpenApp, part: str) -> None:
    app = open_app("quality", part=part)
    assert app.dataframe
    assert not list_checkbox_columns(app)


def test_quality_shows_coverage_and_rows(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    (coverage,) = (table.value for table in open_app("quality", part="Lists").dataframe)
    (feeds,) = (table.value for table in open_app("quality", part="Data").dataframe)
    by_category = demo_copy.get_coverage().query("segment == 'category'")
    assert list(coverage["coverage"]) == pytest.approx(list(100 * by_category["coverage"]))
    assert list(feeds["feed"]) == list(demo_copy.get_feed_accounting()["feed"])
    assert (feeds["lines"] == feeds["loaded"] + feeds["rejected"]).all()
    assert (feeds["loaded"] == feeds["clean"] + feeds["duplicates"] + feeds["quarantined"]).all()


def test_quality_shows_variety_of_lists(open_app: OpenApp, demo_copy: ServingCopy) -> None:
    app = open_app("quality", part="Lists")
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
    app = open_app("quality", writable_warehouse, part="Lists")
    assert not app.exception
    purchases = app.table[1].value.set_index("Metric")
    assert purchases.loc["New products: recall", "This model"] == "12.5%"
    assert purchases.loc["Repeat products: recall", "Popularity"] == "87.5%"
    app = open_app("quality", writable_warehouse, part="Model")
    assert [caption.value for caption in app.caption if "new and repeat products" in caption.value]


def test_quality_shows_copy_without_list_metrics(
    open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str]
) -> None:
    """A copy that an earlier version published lacks the newer metrics and the table of repeat purchases."""
    with duckdb.connect(str(writable_warehouse.database)) as connection:
        for column in ("category_match", "calibration_error", "serendipity", "diversity"):
            connection.execute(f"alter table marts.eval_ranking_metrics drop column {column}")
    publish(writable_warehouse, [table for table in published_tables if table != "feat_shop_repeats"])
    app = open_app("quality", writable_warehouse, part="Lists")
    assert not app.exception
    assert "Coverage" in set(app.table[0].value["Metric"])
    assert "Diversity" not in set(app.table[0].value["Metric"])


def test_effect_shows_verdict_first(
    open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str]
) -> None:
    with duckdb.connect(str(writable_warehouse.database)) as connection:
        create_effect_marts(connection)
    publish(writable_warehouse, published_tables)
    app = open_app("effect", writable_warehouse)
    assert not app.exception
    assert [header.value for header in app.subheader] == ["Experiment rules", "Experiment lists", "Recommendations"]
    (verdict,) = app.success
    assert verdict.value.startswith("Yes\\: customers with recommendations of the serving model bought 20\\.0\\%")
    assert [info.value for info in app.info] == ["No customers of an arm and of the control took part yet."]
    assert any("personal\\: recommendations of the serving model\\, 1" in caption.value for caption in app.caption)
    metrics, *groups = [table.value for table in app.dataframe]
    assert list(metrics["Metric"]) == ["Conversion", "Click-through rate (inferred)", "Average order value"]
    assert list(metrics["Difference"]) == ["+20.0%", "-", "+3.0%"]
    assert [table["group"].iloc[0] for table in groups] == [date(2026, 3, 2), 1, "Personal", "Home page"]
    figures = {metric.label: metric.value for metric in app.metric}
    assert figures["Impressions (inferred)"] == "12,100"
    assert figures["Click-through rate (inferred)"] == "2.5%"
    assert figures["Revenue (inferred)"] == escape_markdown("1,512.50 EUR")
    texts = " ".join(element.value for element in (*app.caption, *app.info, *app.success))
    assert not [word for word in ("RECOMART", "recomart", "docs/", "verdict", "2026-") if word in texts]


def test_effect_without_experiment_says_so(open_app: OpenApp) -> None:
    app = open_app("effect")
    assert not app.exception
    assert [header.value for header in app.subheader] == ["Recommendations"]
    assert any(caption.value.startswith("No experiment is declared.") for caption in app.caption)
    assert app.info[0].value.startswith("The effect of the recommendations is not known yet.")


def test_effect_of_earlier_copy(open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str]) -> None:
    publish(writable_warehouse, [table for table in published_tables if not table.startswith("effect_")])
    app = open_app("effect", writable_warehouse)
    assert not app.exception
    assert app.info[0].value.startswith("The effect of the recommendations is not published.")


@pytest.mark.parametrize("page", [entry.name for entry in PAGES])
def test_missing_copy_names_command(open_app: OpenApp, tmp_path: Any, page: str) -> None:
    app = open_app(page, Settings(warehouse=tmp_path))
    assert not app.exception
    assert "recomart run" in app.warning[0].value


def test_damaged_pointer_or_copy_names_command(
    open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str]
) -> None:
    published = publish(writable_warehouse, published_tables)
    (writable_warehouse.serving_dir / published.file).write_bytes(b"not a database")
    damaged_copy = open_app("customers", writable_warehouse)
    assert not damaged_copy.exception
    assert "recomart publish" in damaged_copy.warning[0].value

    (writable_warehouse.serving_dir / POINTER_FILE).write_text("{", encoding="utf-8")
    damaged_pointer = open_app("customers", writable_warehouse)
    assert not damaged_pointer.exception
    assert "recomart publish" in damaged_pointer.warning[0].value


def test_missing_table_is_named(open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str]) -> None:
    published = publish(writable_warehouse, published_tables)
    with duckdb.connect(str(writable_warehouse.serving_dir / published.file)) as connection:
        connection.execute("drop table rec_popular_products")
    # Copies of earlier versions have no checksum.
    unverified = published.model_copy(update={"sha256": None})
    (writable_warehouse.serving_dir / POINTER_FILE).write_text(unverified.model_dump_json(), encoding="utf-8")
    app = open_app("customers", writable_warehouse, section="New customers")
    assert not app.exception
    assert escape_markdown("rec_popular_products") in app.warning[0].value


def test_next_run_shows_new_publication(
    open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str]
) -> None:
    publish(writable_warehouse, published_tables)
    app = open_app("customers", writable_warehouse, section="New customers")
    assert len(get_recommendations_table(app)) == 10
    assert not app.toast
    with duckdb.connect(str(writable_warehouse.database)) as connection:
        connection.execute("delete from marts.rec_popular_products where rank > 4")
    # The app still has the previous copy open, which must not disturb the publication.
    publish(writable_warehouse, published_tables)
    app.run()
    assert len(get_recommendations_table(app)) == 4
    assert app.toast[0].value.startswith("New recommendations: this page now shows the version published at ")
    assert not app.run().toast


def test_pages_are_not_beside_the_script() -> None:
    """Streamlit would run the files of a folder `pages` beside the script without the script, and so without login."""
    assert not (APP_FILE.parent / "pages").exists()


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


def test_quality_explains_missing_metrics(
    open_app: OpenApp,
    demo_warehouse: Settings,
    dbt_folder: Path,
    published_tables: list[str],
) -> None:
    settings = Settings(warehouse=dbt_folder / "warehouse")
    settings.warehouse.mkdir(exist_ok=True)
    shutil.copy(demo_warehouse.database, settings.database)
    with duckdb.connect(str(settings.database)) as connection:
        connection.execute("delete from ml.ranking_metrics")
    run_dbt(settings, "run", "--select", "eval_ranking_metrics", "eval_model_runs")
    publish(settings, published_tables)
    app = open_app("quality", settings, part="Model")
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
    app = open_app("quality", writable_warehouse, part="Model")
    assert not app.exception
    assert "Quality over time" in [heading.value for heading in app.subheader]
    app = open_app("quality", writable_warehouse, part="Data")
    (drift,) = (table.value for table in app.dataframe if "largest_shift" in table.value)
    assert drift[["name", "drift_level", "largest_shift"]].to_numpy().tolist() == [
        ["Devices", "significant", "web: all"]
    ]
    periods = "Actions: 29 Jan to 04 Feb 2026 compared with 01 Jan to 28 Jan 2026."
    assert [caption.value for caption in app.caption if caption.value.endswith(periods)]
    answer = open_app("quality", writable_warehouse).error[0].value
    assert answer.endswith(escape_markdown(": 1 check, 1 unusual: Devices. The tab Data has the shifts."))


def test_quality_agrees_with_today(
    open_app: OpenApp, writable_warehouse: Settings, published_tables: list[str]
) -> None:
    """Each red line of the page Today is a red answer of the page of quality."""
    with duckdb.connect(str(writable_warehouse.database)) as connection:
        connection.execute("update marts.dim_products set price = 0")
    publish(writable_warehouse, published_tables)
    with ServingCopy(writable_warehouse) as copy:
        state = TodayState(copy, writable_warehouse, datetime.now(UTC))
        red_texts = [line.text for describe in LINES if (line := describe(state)) and line.level == "bad"]
    assert len(red_texts) == 3
    answers = [answer.value for answer in open_app("quality", writable_warehouse).error]
    assert "the age of the data, yesterday's delivery and the prices" in answers[0].replace("\\", "")
    assert sorted(answers[1:]) == sorted(map(escape_markdown, red_texts))


def test_quality_has_answer_of_every_line() -> None:
    assert set(TODAY_SUBJECTS) == set(LINES)


def test_unusual_answer_without_red_lines() -> None:
    drift = TodayLine("Distributions: 2 checks, all normal.", "quality", "Data")
    assert describe_unusual(drift, []).text == "No. Distributions: 2 checks, all normal."
    assert describe_unusual(drift, ["the prices"]).level == "bad"
    assert describe_unusual(drift._replace(level="note"), []).text.startswith("Yes. ")
    assert describe_unusual(UNKNOWN_DRIFT, []) == UNKNOWN_DRIFT


def test_every_drift_subject_has_a_label(demo_copy: ServingCopy) -> None:
    # The share of new customers is compared only in a shop with a longer history.
    assert set(demo_copy.get_drift()["name"]) == set(DRIFT_SUBJECTS) - {"customer"}
