"""The benchmark of the effect marts: intervals and verdicts of simulated shops beside their planted effect."""

import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from apps.benchmarks.measurement import get_machine_info
from apps.benchmarks.targets import Target
from orchestration.dbt_runner import BUILD_COMMAND, run_dbt
from orchestration.demo_days import POLICIES, DemoMetric, compare_with_truth, write_demo_experiment
from orchestration.demo_lists import CONTROL, EXPERIMENT, TREATMENT
from warehouse.database import open_writer
from warehouse.demo.config import DemoConfig
from warehouse.demo.days import open_shop
from warehouse.demo.generator import generate_shop
from warehouse.demo.next_day import generate_next_day
from warehouse.demo.reactions import LIST_LENGTH, LiveList
from warehouse.experiments import ExperimentArm, assign_arm
from warehouse.loading.loader import load
from warehouse.publishing.publisher import publish
from warehouse.settings import Settings

MIN_COVERED_SHARE = 0.9
"""Of 40 intervals of 95 %, fewer than 36 cover the truth with a probability of 5 %."""

MAX_FALSE_CALL_SHARE = 0.1

LISTS_SQL = """
create schema marts;

create table marts.rec_top_n as
select
    'simulated' as run_id,
    user_id,
    unnest(range(1, len(product_ids) + 1))::integer as rank,
    unnest(product_ids) as product_id
from lists;

create table marts.rec_customer_arms as
select user_id, $experiment as experiment, arm
from lists;
"""


class SimulatedShops(BaseModel):
    """Number and size of the simulated shops."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    shops: int = Field(default=40, ge=2)
    """Every other shop has an effect."""

    customers: int = Field(default=8_000, ge=1)
    """Customers of a shop, half of them in the control arm."""

    days_before: int = Field(default=28, ge=7)
    """Days before the experiment, whose actions adjust the differences."""

    days: int = Field(default=14, ge=1)
    """Days of the experiment."""

    effect: float = Field(default=1.0, ge=0)
    """Planted effect of the shops with one."""

    def build_config(self, shop: int) -> DemoConfig:
        """Return the configuration of a shop, counted from 0."""
        return DemoConfig(
            customers=self.customers,
            products=400,
            days=self.days_before,
            # As many a customer and day as in the shop of `recomart demo`.
            events=self.customers * self.days_before,
            effect=self.effect if shop % 2 == 0 else 0,
            seed=shop + 1,
        )


class ShopResult(BaseModel):
    """The metrics of a simulated shop."""

    model_config = ConfigDict(frozen=True)

    seed: int
    effect: float
    metrics: list[DemoMetric]


class MetricSummary(BaseModel):
    """A metric over all shops."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    metric: str
    shops: int
    """Shops with an interval of the lift."""

    covered: int
    """Shops whose interval covers the planted lift."""

    planted_lift: float
    """Mean over the shops with an effect and an interval, as the next two."""

    lift: float
    width: float
    """Width of the interval."""

    effect_calls: int
    """Shops with an effect whose verdict states one, with or without an interval of the lift."""

    false_calls: int
    """Shops without an effect whose verdict states one, with or without an interval of the lift."""


class EffectResult(BaseModel):
    """The figures of one benchmark run."""

    model_config = ConfigDict(frozen=True)

    machine: dict[str, str | int | float]
    size: SimulatedShops
    shops: list[ShopResult]

    @property
    def summaries(self) -> list[MetricSummary]:
        """Each metric over all shops."""
        names = dict.fromkeys(metric.effect.metric for shop in self.shops for metric in shop.metrics)
        return [self._summarize(name) for name in names]

    @property
    def targets(self) -> list[Target]:
        """The targets for each metric."""
        is_default_size = self.size.shops >= SimulatedShops().shops
        return [
            target
            for summary in self.summaries
            for target in (
                Target.evaluate(
                    f"{summary.metric}: intervals that cover the truth",
                    summary.covered,
                    min_value=MIN_COVERED_SHARE * summary.shops,
                    is_default_size=is_default_size,
                ),
                Target.evaluate(
                    f"{summary.metric}: calls without an effect",
                    summary.false_calls,
                    MAX_FALSE_CALL_SHARE * self.size.shops / 2,
                    is_default_size=is_default_size,
                ),
            )
        ]

    def _summarize(self, name: str) -> MetricSummary:
        metrics = [
            (shop.effect > 0, metric) for shop in self.shops for metric in shop.metrics if metric.effect.metric == name
        ]
        # A verdict needs no interval of the lift, which has no bounds when the control's interval includes 0.
        calls = [has_effect for has_effect, metric in metrics if metric.effect.has_effect]
        measured = [(has_effect, metric) for has_effect, metric in metrics if metric.is_covered is not None]
        with_effect = [metric for has_effect, metric in measured if has_effect]
        return MetricSummary(
            metric=name,
            shops=len(measured),
            covered=sum(bool(metric.is_covered) for _, metric in measured),
            planted_lift=_average([metric.true_lift for metric in with_effect]),
            lift=_average([metric.effect.lift for metric in with_effect]),
            width=_average([(metric.effect.max_lift or 0) - (metric.effect.min_lift or 0) for metric in with_effect]),
            effect_calls=calls.count(True),
            false_calls=calls.count(False),
        )


def run_effect_benchmark(
    settings: Settings, size: SimulatedShops, on_stage: Callable[[str], None] = lambda _: None
) -> EffectResult:
    """Simulate an experiment in each shop, and build its effect marts.

    No model is trained: the lists of the treatment arm are the products that the customer views with the highest
    probability. They are published and logged once, and the shop's customers react to them.
    """
    machine = get_machine_info()
    # dbt parses the project once, because all shops have the same folder.
    shop_settings = settings.model_copy(update={"warehouse": settings.warehouse / "shop", "landing": None})
    shops = []
    for shop in range(size.shops):
        config = size.build_config(shop)
        on_stage(f"shop {shop + 1} of {size.shops}")
        _remove_shop(shop_settings)
        metrics = simulate_shop(shop_settings, config, size.days)
        shops.append(ShopResult(seed=config.seed, effect=config.effect, metrics=metrics))
    return EffectResult(machine=machine, size=size, shops=shops)


def simulate_shop(settings: Settings, config: DemoConfig, days: int) -> list[DemoMetric]:
    """Generate a shop whose customers see fixed lists for some days, and measure the effect of the lists."""
    generate_shop(config, settings.landing_dir, settings.demo_truth_dir)
    lists = make_best_lists(config)
    first_date = write_demo_experiment(settings, config, config.days, config.days + days)
    _publish_lists(settings, lists, datetime.combine(first_date, datetime.min.time(), UTC))
    for _ in range(days):
        generate_next_day(config, settings.landing_dir, settings.demo_truth_dir, lists)
    load(settings)
    # Without `cautious`, dbt also runs tests that read other tables as well.
    run_dbt(settings, *BUILD_COMMAND, "--select", "+effect_experiments", "--indirect-selection", "cautious")
    return compare_with_truth(settings, first_date, first_date + timedelta(days=days))


def make_best_lists(config: DemoConfig) -> dict[str, LiveList]:
    """Make an experiment of all customers, with the best possible lists in the treatment arm."""
    world = open_shop(config).world
    launched_count = world.count_products(config.days - 1)
    ranking = np.argsort(-(world.interest @ world.appeal[:launched_count].T), axis=1)[:, :LIST_LENGTH]
    arms = [ExperimentArm(EXPERIMENT, arm, policy, 1 / len(POLICIES)) for arm, policy in POLICIES.items()]
    lists = {}
    for user, products in zip(world.user_ids, ranking.tolist(), strict=True):
        arm = assign_arm(arms, user)
        assert arm is not None
        lists_by_arm = {CONTROL: [], TREATMENT: [world.product_ids[product] for product in products]}
        lists[user] = LiveList(lists_by_arm[arm.arm], EXPERIMENT, arm.arm, lists_by_arm)
    return lists


def _publish_lists(settings: Settings, lists: dict[str, LiveList], published_at: datetime) -> None:
    table = pa.table(
        {
            "user_id": list(lists),
            "arm": [live.arm for live in lists.values()],
            "product_ids": pa.array([list(live.product_ids) for live in lists.values()], pa.list_(pa.string())),
        }
    )
    with open_writer(settings) as connection:
        connection.register("lists", table)
        connection.execute(LISTS_SQL, {"experiment": EXPERIMENT})
    publish(settings, ("rec_top_n", "rec_customer_arms"), published_at=published_at)


def _remove_shop(settings: Settings) -> None:
    """Remove the files of a shop, but for the project that dbt parsed."""
    for path in settings.warehouse.glob("*"):
        if path.is_dir() and path != settings.dbt_target_dir:
            shutil.rmtree(path)
        elif path.is_file():
            path.unlink()


def _average(values: Sequence[float | None]) -> float:
    return float(np.mean([value for value in values if value is not None] or [np.nan]))
