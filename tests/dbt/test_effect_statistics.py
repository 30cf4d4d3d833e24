"""The statistics of the effect marts beside scipy and numpy, on a shop with impressions, orders and clicks."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from orchestration.dbt_runner import run_dbt
from tests.sample_list_log import write_list_log
from tests.three_feed_shop import PRODUCTS_JSON, Shop
from warehouse.loading.loader import load

START = datetime(2026, 3, 1)
DAYS = 14
CUSTOMERS = 600
PRODUCTS = 30

Values = Mapping[str, tuple[np.ndarray, np.ndarray]]
"""Numerators and denominators of the customers, by metric."""


@dataclass
class Period:
    """What a customer did in the experiment, or before it."""

    order_amounts: list[float] = field(default_factory=list)
    order_pieces: list[int] = field(default_factory=list)
    order_categories: list[int] = field(default_factory=list)
    active_days: set[int] = field(default_factory=set)
    lines: int = 0
    impressions: int = 0
    clicks: int = 0


@dataclass(frozen=True)
class Experiment:
    """The shop's customers by arm, each with the periods before and in the experiment."""

    customers: dict[str, list[tuple[Period, Period]]]
    rows: dict[str, dict[str, float]]
    """The row of effect_experiments of each metric."""

    def get_values(self, arm: str, period: int) -> Values:
        """Return the values of an arm in a period: 0 before, 1 in the experiment."""
        periods = [customer[period] for customer in self.customers[arm]]
        amounts, pieces = (
            [value for customers in self.customers.values() for pair in customers for both in pair
             for value in getattr(both, name)]
            for name in ("order_amounts", "order_pieces")
        )  # fmt: skip
        max_amount, max_pieces = np.quantile(amounts, 0.999), np.quantile(pieces, 0.999)

        def collect(function: Callable[[Period], float]) -> np.ndarray:
            return np.array([function(entry) for entry in periods], dtype=float)

        ones = np.ones(len(periods))
        orders = collect(lambda entry: len(entry.order_amounts))
        revenue = collect(lambda entry: sum(min(amount, max_amount) for amount in entry.order_amounts))
        return {
            "click_through_rate": (collect(lambda entry: entry.clicks), collect(lambda entry: entry.impressions)),
            "conversion": ((orders > 0).astype(float), ones),
            "orders_per_customer": (orders, ones),
            "revenue_per_customer": (revenue, ones),
            "average_order_value": (revenue, orders),
            "pieces_per_order": (
                collect(lambda entry: sum(min(pieces, max_pieces) for pieces in entry.order_pieces)),
                orders,
            ),
            "categories_per_order": (collect(lambda entry: sum(entry.order_categories)), orders),
            "returning_customers": (collect(lambda entry: len(entry.active_days) > 1), ones),
        }


@pytest.fixture(scope="module")
def experiment(module_dbt_folder: Path) -> Experiment:
    """A shop whose customers differ; those of the arm `personal` order more and click more."""
    shop = Shop(module_dbt_folder)
    rng = np.random.default_rng(3)
    shop.declare(
        products=PRODUCTS_JSON | {"columns": {"product_id": "id", "product_name": "name", "category": "category"}},
        events={
            "files": "events/*",
            "format": "jsonl",
            "columns": {"user_id": "user", "product_id": "item", "event_type": "type", "event_at": "time"},
        },
        purchases={
            "files": "purchases/*",
            "format": "csv",
            "columns": {
                "transaction_id": "order", "user_id": "who", "product_id": "sku", "quantity": "qty", "price": "price",
                "purchased_at": "when",
            },
        },
        impressions={
            "files": "impressions/*",
            "format": "csv",
            "columns": {"user_id": "who", "product_id": "sku", "position": "place", "seen_at": "when"},
        },
    )  # fmt: skip
    items = ", ".join(f'{{"id": "p{i}", "name": "Product {i}", "category": "c{i % 5}"}}' for i in range(PRODUCTS))
    shop.put("catalog/1.json", f'{{"data": {{"items": [{items}]}}}}')
    # A later order of another customer: the experiment is over.
    purchases = ["order,who,sku,qty,price,when", "late,guest,p1,1,5,2026-03-20"]
    impressions = ["who,sku,place,when"]
    events = []
    lists = []
    customers: dict[str, list[tuple[Period, Period]]] = defaultdict(list)
    for number in range(CUSTOMERS):
        user_id = f"u{number:04}"
        arm = ("control", "personal")[number % 2]
        lists.append((user_id, arm))
        rate = rng.gamma(1, 0.8)
        periods = Period(), Period()
        for index, period in enumerate(periods):
            is_treated = index == 1 and arm == "personal"
            for order in range(rng.poisson(rate * (1.5 if is_treated else 1))):
                day = int(rng.integers(DAYS))
                at = START + timedelta(days=day + (index - 1) * DAYS, hours=12)
                products = rng.choice(PRODUCTS, size=int(rng.integers(1, 4)), replace=False)
                quantities = rng.integers(1, 4, len(products))
                prices = rng.integers(1, 50, len(products)) + 0.5
                purchases += [
                    f"{user_id}-{index}-{order},{user_id},p{product},{quantity},{price},{at.isoformat()}"
                    for product, quantity, price in zip(products, quantities, prices, strict=True)
                ]
                period.order_amounts.append(float(quantities @ prices))
                period.order_pieces.append(int(quantities.sum()))
                period.order_categories.append(len({product % 5 for product in products}))
                period.active_days.add(day)
                period.lines += len(products)
        # Impressions and clicks in the experiment only.
        for day in np.flatnonzero(rng.random(DAYS) < 0.3):
            at = START + timedelta(days=int(day), hours=15)
            for place in range(3):
                product = f"p{(number + int(day) * 3 + place) % PRODUCTS}"
                impressions.append(f"{user_id},{product},{place + 1},{at.isoformat()}")
                periods[1].impressions += 1
                if rng.random() < (0.3 if arm == "personal" else 0.2):
                    clicked_at = (at + timedelta(minutes=1)).isoformat()
                    events.append(
                        f'{{"user": "{user_id}", "item": "{product}", "type": "click", "time": "{clicked_at}"}}'
                    )
                    periods[1].clicks += 1
                    periods[1].active_days.add(int(day))
        customers[arm].append(periods)
    shop.put("purchases/1.csv", "\n".join(purchases))
    shop.put("impressions/1.csv", "\n".join(impressions))
    shop.put("events/1.jsonl", "\n".join(events))
    write_list_log(shop, START, lists, ["p1"])
    shop.settings.warehouse.mkdir(exist_ok=True)
    shop.settings.demo_experiments_file.write_text(
        "name,arm,share,policy,starts_on,ends_on\n"
        "trial,control,0.5,popularity,2026-03-01,2026-03-15\n"
        "trial,personal,0.5,model,2026-03-01,2026-03-15\n",
        encoding="utf-8",
    )
    load(shop.settings)
    run_dbt(shop.settings, "build", "--exclude-resource-types", "unit_test", "test", "--select", "+effect_experiments")
    names = "value, control_value, difference, max_difference, adjusted_difference, max_adjusted_difference"
    rows = shop.query(f"select metric, {names} from marts.effect_experiments where arm = 'personal'")
    return Experiment(customers, {metric: dict(zip(names.split(", "), row, strict=True)) for metric, *row in rows})


def compute_ratio(numerators: np.ndarray, denominators: np.ndarray) -> float:
    return float(numerators.sum() / denominators.sum())


METRICS = (
    "click_through_rate", "conversion", "orders_per_customer", "revenue_per_customer", "average_order_value",
    "pieces_per_order", "categories_per_order", "returning_customers",
)  # fmt: skip


@pytest.mark.parametrize("metric", METRICS)
def test_values_and_differences(experiment: Experiment, metric: str) -> None:
    control, personal = (compute_ratio(*experiment.get_values(arm, 1)[metric]) for arm in ("control", "personal"))
    row = experiment.rows[metric]
    assert row["control_value"] == pytest.approx(control)
    assert row["value"] == pytest.approx(personal)
    assert row["difference"] == pytest.approx(personal - control)


@pytest.mark.parametrize("metric", ["conversion", "orders_per_customer", "revenue_per_customer", "returning_customers"])
def test_intervals_of_means_equal_welch(experiment: Experiment, metric: str) -> None:
    control, personal = (experiment.get_values(arm, 1)[metric][0] for arm in ("control", "personal"))
    result = stats.ttest_ind(personal, control, equal_var=False)
    standard_error = (personal.mean() - control.mean()) / result.statistic
    row = experiment.rows[metric]
    assert row["max_difference"] - row["difference"] == pytest.approx(1.96 * standard_error)


@pytest.mark.parametrize(
    "metric", ["click_through_rate", "average_order_value", "pieces_per_order", "categories_per_order"]
)
def test_intervals_of_ratios_equal_bootstrap(experiment: Experiment, metric: str) -> None:
    """The bootstrap draws customers, so that the orders of one customer stay together."""
    variance = sum(
        stats.bootstrap(
            experiment.get_values(arm, 1)[metric],
            lambda numerators, denominators, axis: numerators.sum(axis) / denominators.sum(axis),
            paired=True,
            vectorized=True,
            n_resamples=4000,
            method="basic",
            rng=np.random.default_rng(1),
        ).standard_error
        ** 2
        for arm in ("control", "personal")
    )
    row = experiment.rows[metric]
    assert row["max_difference"] - row["difference"] == pytest.approx(1.96 * np.sqrt(variance), rel=0.05)


@pytest.mark.parametrize("metric", ["conversion", "orders_per_customer", "revenue_per_customer", "returning_customers"])
def test_adjusted_means_equal_regression(experiment: Experiment, metric: str) -> None:
    """With arms of equal size, the adjusted difference is the arm's coefficient in a regression on the time before."""
    arms = ("control", "personal")
    values, values_before = (
        np.concatenate([experiment.get_values(arm, period)[metric][0] for arm in arms]) for period in (1, 0)
    )
    is_treated = np.repeat([0.0, 1.0], CUSTOMERS // 2)
    design = np.column_stack([np.ones(CUSTOMERS), is_treated, values_before])
    coefficients, residual_sum, *_ = np.linalg.lstsq(design, values)
    row = experiment.rows[metric]
    assert row["adjusted_difference"] == pytest.approx(coefficients[1])
    # Without the uncertainty of the coefficient of the time before, of which the regression takes account.
    standard_error = np.sqrt(residual_sum[0] / (CUSTOMERS - 2) * 4 / CUSTOMERS)
    assert row["max_adjusted_difference"] - row["adjusted_difference"] == pytest.approx(1.96 * standard_error, rel=0.01)
    if metric == "orders_per_customer":
        width = row["max_difference"] - row["difference"]
        assert row["max_adjusted_difference"] - row["adjusted_difference"] < 0.95 * width
