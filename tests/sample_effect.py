"""Effect marts for tests: an ended experiment with an effect, one without, and two weeks of recommendations."""

from datetime import date

import duckdb

ARMS = """
    select *, case when customers > 0 then cast(starts_on as timestamp) + interval 6 hour end as first_enrolled_at
    from (values
        ('lists', 'control', 'popularity', 0.5, 0.5, date '2026-03-02', date '2026-03-12', 1000, 2000, false),
        ('lists', 'personal', 'model', 0.5, 0.5, date '2026-03-02', date '2026-03-12', 1000, 2000, false),
        ('rules', 'control', 'model', 0.5, 0.5, date '2026-03-12', null, 12, 12, false),
        ('rules', 'ruled', 'rules:shoes', 0.5, 0.5, date '2026-03-12', null, 0, 12, false)
    ) as arms (
        experiment, arm, policy, share, expected_share, starts_on, ends_on, customers, experiment_customers, is_mismatch
    )
"""

METRICS = """
    select
        'lists' as experiment, 'personal' as arm, *, 1000 as customers, 1000 as control_customers,
        value - control_value as difference, difference - 0.01 as min_difference, difference + 0.01 as max_difference,
        case when metric like '%order_value' then difference + 1 end as uncapped_difference,
        difference as adjusted_difference, difference - 0.01 as min_adjusted_difference,
        difference + 0.01 as max_adjusted_difference, 0.3 as variance_reduction, difference / control_value as lift,
        lift - 0.1 as min_lift, lift + 0.1 as max_lift, 0.12 as min_detectable_lift,
        metric = 'conversion' as has_effect
    from (values
        ('average_order_value', false, 51.5, 50.0, 'no effect seen'),
        ('click_through_rate', false, 0.05, null, 'not measured'),
        ('conversion', true, 0.06, 0.05, 'higher than in the control')
    ) as metrics (metric, is_primary, value, control_value, verdict)
"""

# The first day has no difference.
DAYS = """
    select
        'lists' as experiment, 'personal' as arm, 'conversion' as metric,
        date '2026-03-02' + cast(number as integer) as day, 1000 as customers, 1000 as control_customers,
        0.02 + number / 250 as value, 0.01 + number / 250 as control_value,
        case when number > 0 then 0.01 end as difference,
        difference - 0.05 / number as min_difference, difference + 0.05 / number as max_difference
    from range(10) as numbers (number)
"""

RECOMMENDATION_DAYS = """
    select
        date '2026-03-02' + cast(number as integer) as day, 'inferred' as basis, 'home' as placement, rank,
        case when rank = 1 then 'pinned' else 'model' end as source, 100 as impressions, 10 // rank as clicks,
        2 as add_to_carts, 1 as purchases, 0 as returns, 12.5 as revenue
    from range(11) as numbers (number), range(1, 12) as ranks (rank)
"""

FEEDS = """
    select * from (values ('events', 'events', 100), ('recommendation_lists', 'recommendation_lists', 40))
    as feeds (feed, kind, clean)
"""


# After the first measured day, purchases still follow inferred impressions.
LATE_PURCHASES = """
    insert into marts.effect_recommendation_days
    select * replace ('inferred' as basis, 0 as impressions, 0 as clicks)
    from marts.effect_recommendation_days
    where basis = 'measured'
"""


def create_effect_marts(connection: duckdb.DuckDBPyConnection, first_measured_day: date | None = None) -> None:
    """Create the effect marts, and the table of feeds where there is none; impressions before the day are inferred."""
    connection.execute("create schema if not exists marts")
    tables = {
        "effect_arms": ARMS,
        "effect_experiments": METRICS,
        "effect_days": DAYS,
        "effect_recommendation_days": RECOMMENDATION_DAYS,
    }
    for table, query in tables.items():
        connection.execute(f"create or replace table marts.{table} as {query}")
    connection.execute(f"create table if not exists marts.audit_feeds as {FEEDS}")
    if first_measured_day is not None:
        measure = "update marts.effect_recommendation_days set basis = 'measured' where day >= ?"
        connection.execute(measure, [first_measured_day])
        connection.execute(LATE_PURCHASES)
        connection.execute("insert into marts.audit_feeds values ('impressions', 'impressions', 100)")
