"""The demo shop day by day, for a tiny shop."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import duckdb
import pytest

from models_ml.config import TrainConfig
from orchestration import demo_days
from orchestration.demo_data import generate_demo_shop
from orchestration.demo_days import DemoDays, run_demo_days
from orchestration.progress import PipelineListener
from warehouse.database import open_reader
from warehouse.demo.config import DemoConfig
from warehouse.demo.next_day import find_next_day
from warehouse.settings import Settings

pytestmark = pytest.mark.slow

SHOP = DemoConfig(customers=300, products=120, days=28, events=9_000, dirt=0.05, effect=4.0)

MEASURED_SUMS = """
select
    arm,
    count(*) as customers,
    sum(impressions) as impressions,
    sum(orders) as orders,
    sum(order_categories) as order_categories,
    sum(uncapped_pieces) as pieces,
    sum(uncapped_revenue) as revenue,
    sum(purchase_lines) as purchase_lines,
    sum(return_lines) as return_lines,
    sum(active_days) as active_days
from intermediate.int_experiment_sums
where is_in_experiment
group by arm
order by arm
"""

PLANTED_SUMS = """
with customers as (

    select user_id, min(delivery_date) as enrolled_date
    from outcomes
    group by user_id

),

days as (

    select
        outcomes.arm,
        outcomes.user_id,
        outcomes.date,
        sum(outcomes.actions) > 0 as is_active,
        sum(columns(['impressions', 'orders', 'order_categories', 'pieces', 'cents', 'purchase_lines', 'return_lines']))
    from outcomes
    inner join customers on outcomes.user_id = customers.user_id and outcomes.date >= customers.enrolled_date
    where outcomes.arm = outcomes.potential_list
    group by outcomes.arm, outcomes.user_id, outcomes.date

)

select
    arm,
    count(distinct user_id),
    sum(impressions),
    sum(orders),
    sum(order_categories),
    sum(pieces),
    sum(cents) / 100,
    sum(purchase_lines),
    sum(return_lines),
    count(*) filter (where is_active)
from days
group by arm
order by arm
"""


@dataclass(frozen=True)
class LoopedShop:
    """The shop after three days, an interrupted day, and another day."""

    settings: Settings
    first: DemoDays
    last: DemoDays


@pytest.fixture(scope="module")
def looped_shop(tmp_path_factory: pytest.TempPathFactory) -> LoopedShop:
    settings = Settings(warehouse=tmp_path_factory.mktemp("loop") / "warehouse")
    generate_demo_shop(settings, SHOP, PipelineListener())

    def run_days(count: int) -> DemoDays:
        return run_demo_days(settings, SHOP, TrainConfig(), count, PipelineListener())

    first = run_days(3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo_days, "_run_pipeline", fail_at_call(2, demo_days._run_pipeline))
        with pytest.raises(KeyboardInterrupt):
            run_days(1)
    return LoopedShop(settings, first, run_days(1))


def fail_at_call(number: int, function: Callable[..., Any]) -> Callable[..., Any]:
    calls = iter(range(1, number + 1))

    def call(*args: Any, **options: Any) -> Any:
        if next(calls) == number:
            raise KeyboardInterrupt
        return function(*args, **options)

    return call


def test_measured_sums_equal_planted_sums(looped_shop: LoopedShop) -> None:
    """The clean rows of each arm add up to the outcomes of its customers under their own list."""
    settings = looped_shop.settings
    with open_reader(settings) as connection:
        measured = connection.execute(MEASURED_SUMS).fetchall()
    with duckdb.connect() as connection:
        connection.read_parquet(f"{settings.demo_truth_dir}/user_outcomes_*.parquet").create_view("outcomes")
        planted = connection.execute(PLANTED_SUMS).fetchall()
    for (arm, *measured_sums), (planted_arm, *planted_sums) in zip(measured, planted, strict=True):
        assert arm == planted_arm
        assert list(map(float, measured_sums)) == pytest.approx(list(map(float, planted_sums)))
    (control, _, shown_to_control, *_), (treatment, _, shown_to_treatment, *_) = measured
    assert (control, treatment) == ("control", "treatment")
    assert shown_to_treatment > shown_to_control == 0


def test_days_go_on_after_interruption(looped_shop: LoopedShop) -> None:
    first, last = looped_shop.first, looped_shop.last
    assert find_next_day(SHOP, looped_shop.settings.landing_dir) == SHOP.days + 5
    assert last.first_date == first.first_date
    assert (last.end_date - first.end_date).days == 2
    verdicts = {metric.effect.verdict for days in (first, last) for metric in days.metrics}
    assert not any(verdict.startswith("no verdict") for verdict in verdicts)


def test_metrics_have_planted_lift(looped_shop: LoopedShop) -> None:
    metrics = {metric.effect.metric: metric for metric in looped_shop.last.metrics}
    assert {"conversion", "revenue_per_customer", "categories_per_order", "returning_customers"} <= set(metrics)
    assert (metrics["orders_per_customer"].true_lift or 0) > 0.1
    assert metrics["orders_per_customer"].is_covered
