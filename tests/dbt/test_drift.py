"""Drift warnings: each planted change gives one warning, chance gives none, and the build succeeds."""

import shutil
from pathlib import Path

import duckdb
import pytest

from orchestration.dbt_runner import BUILD_COMMAND, TRAINING_INPUT_SELECTION, run_dbt
from warehouse.database import open_reader
from warehouse.settings import Settings

PLANTED_CHANGES = {
    "the newest days come from the web": """
        update intermediate.int_user_days set mobile_count = 0
        where action_date > (select max(action_date) - 7 from intermediate.int_action_days)
    """,
    "prices are in cents now": "update marts.ml_product_features set price = 100 * price where cutoff = 'now'",
    "the catalog leaves half of the products out": """
        update intermediate.int_product_deliveries set missed_catalog_count = 3
        where right(product_id, 1) in ('0', '2', '4', '6', '8')
    """,
    "a model served before": """
        insert into ml.model_runs
        select * replace (
            'before' as run_id, false as is_serving, promoted_at - interval 1 day as promoted_at,
            run_number - 2 as run_number, promotion_number - 2 as promotion_number
        )
        from ml.model_runs
    """,
    "its lists showed more": """
        insert into ml.ranking_metrics
        select * replace ('before' as run_id, least(2 * coverage, 1) as coverage) from ml.ranking_metrics
    """,
}


DRAW_COUNT = 500

RANDOM_DRAWS_QUERY = f"""
    with visits as (
        select distinct days.user_id, days.action_date
        from intermediate.int_user_days as days
        inner join intermediate.int_drift_periods as periods
            on days.action_date between periods.first_date and periods.last_date
        where periods.kind = 'mix'
    ),
    shuffled as (
        select *, row_number() over (partition by draw order by hash(user_id, action_date, draw)) as shuffled_rank
        from visits cross join range({DRAW_COUNT}) as draws (draw)
    ),
    sampled as (
        select user_id, action_date, draw, present_visits, shuffled_rank <= present_visits as is_present
        from shuffled cross join (values (20), (100), (500)) as sizes (present_visits)
        where shuffled_rank <= 5 * present_visits
    ),
    actions as (
        select
            sampled.*,
            products.category,
            actions.device,
            case when sampled.action_date = cast(users.first_seen_at as date) then 'new' else 'known' end as customer
        from sampled
        inner join intermediate.int_user_product_actions as actions using (user_id, action_date)
        inner join marts.dim_products as products using (product_id)
        inner join marts.dim_users as users using (user_id)
    )
    select
        concat(mix, ' of ', present_visits, ' visits, draw ', draw) as name,
        bin,
        0 as bin_order,
        count(case when not is_present then 1 end) as reference_rows,
        count(case when is_present then 1 end) as current_rows
    from (unpivot actions on category, device, customer into name mix value bin) as unpivoted
    group by name, bin
"""
"""Rows of int_action_mix_bins when visits of the demo shop's 35 days are split at random."""


@pytest.fixture(scope="module")
def drift_warnings(demo_warehouse: Settings, module_dbt_folder: Path) -> list[str]:
    """Warnings of a build on a copy of the demo shop with all planted changes."""
    changed = Settings(warehouse=module_dbt_folder / "warehouse")
    changed.warehouse.mkdir(exist_ok=True)
    shutil.copyfile(demo_warehouse.database, changed.database)
    with duckdb.connect(str(changed.database)) as connection:
        for statement in PLANTED_CHANGES.values():
            connection.execute(statement)
    selected = ("int_action_mix_bins+", "int_feature_bins+", "audit_product_freshness+", "eval_model_runs+")
    return run_dbt(changed, *BUILD_COMMAND, "--select", *selected).warnings


@pytest.mark.parametrize(
    "expected_text",
    [
        "drift of mix device: PSI ",
        "drift of feature ml_product_features.price: PSI ",
        "% of the recommendable products are stale",
        "% of the list entries are stale",
        ", of the previous model ",
    ],
)
def test_planted_change_gives_one_warning(drift_warnings: list[str], expected_text: str) -> None:
    assert sum(expected_text in warning for warning in drift_warnings) == 1


@pytest.mark.slow
def test_random_visits_show_no_drift(demo_copy: Settings) -> None:
    """Random splits of visits exceed the critical PSI value in at most 1% of the draws."""
    with duckdb.connect(str(demo_copy.database)) as connection:
        connection.execute(f"create or replace table intermediate.int_action_mix_bins as {RANDOM_DRAWS_QUERY}")
    run_dbt(demo_copy, "run", "--select", "audit_drift_bins", "audit_drift")
    with open_reader(demo_copy) as connection:
        significant_shares = dict(
            connection.execute(
                """
                select split_part(name, ',', 1), avg(case when psi > psi_critical_value then 1 else 0 end)
                from marts.audit_drift
                where kind = 'mix'
                group by all
                """
            ).fetchall()
        )
    assert len(significant_shares) == 9
    assert max(significant_shares.values()) <= 0.01, significant_shares


@pytest.mark.slow
def test_partial_newest_day_shows_no_drift(demo_copy: Settings) -> None:
    with duckdb.connect(str(demo_copy.database)) as connection:
        for table, column in (("int_events_classified", "event_at"), ("int_purchases_classified", "purchased_at")):
            connection.execute(
                f"""
                delete from intermediate.{table} where {column} > (
                    select date_trunc('day', as_of) + interval 12 hours
                    from intermediate.int_feature_cutoffs
                    where cutoff = 'now'
                )
                """
            )
    run_dbt(demo_copy, "run", "--full-refresh", "--select", "int_user_product_actions+", *TRAINING_INPUT_SELECTION)
    with open_reader(demo_copy) as connection:
        drifted = connection.execute("select name, psi from marts.audit_drift where kind = 'feature' and psi >= 0.1")
        assert drifted.fetchall() == []


def test_unchanged_features_give_no_warning(drift_warnings: list[str]) -> None:
    assert sum("drift of " in warning for warning in drift_warnings) == 2
