"""The demo shop day by day: customers see the live lists, and the pipeline runs on what they do."""

import csv
import io
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from models_ml.config import TrainConfig
from orchestration.pipeline import PipelineReport, run_pipeline
from orchestration.progress import PipelineListener
from warehouse.atomic_files import write_text_atomically
from warehouse.database import open_reader
from warehouse.demo.config import DemoConfig
from warehouse.demo.line_format import format_day
from warehouse.demo.next_day import find_next_day, generate_next_day
from warehouse.demo.outcomes import compute_true_metrics
from warehouse.demo.reactions import LIST_LENGTH, LiveList
from warehouse.publishing.live_copy import open_copy, open_live_copy
from warehouse.settings import Settings

EXPERIMENT = "demo_recommendations"
CONTROL, TREATMENT = "control", "treatment"
POLICIES = {CONTROL: "none", TREATMENT: "model"}
"""Arms of the demo shop's experiment, half of the customers each, with their policies."""

LIVE_LISTS = """
with lists as (

    select user_id, list(product_id order by rank) as product_ids
    from rec_top_n
    where rank <= $length
    group by user_id

)

select
    coalesce(lists.user_id, arms.user_id) as user_id,
    coalesce(lists.product_ids, []) as product_ids,
    arms.experiment,
    arms.arm
from lists
full join rec_customer_arms as arms on lists.user_id = arms.user_id
"""

# The lists of the recommendation models without merchandising rules: of the candidates of the serving model and then of
# the popular products, those that the customer can get. Fatigued products go behind the others of a whole list.
TREATMENT_LISTS = """
with ordered_products as (

    select arms.user_id, candidates.product_id, candidates.rank
    from marts.rec_customer_arms as arms
    inner join marts.rec_experiments as experiments
        on arms.experiment = experiments.experiment
        and arms.arm = experiments.arm
    inner join ml.candidates as candidates
        on arms.user_id = candidates.user_id
        and experiments.serving_run_id = candidates.run_id

    union all

    -- Behind all candidates.
    select arms.user_id, fillers.product_id, 1000000 + fillers.rank
    from marts.rec_customer_arms as arms
    cross join intermediate.int_filler_products as fillers
    where fillers.rule_set = ''

),

ranked as (

    select
        ordered_products.user_id,
        ordered_products.product_id,
        row_number() over (partition by ordered_products.user_id order by min(ordered_products.rank)) as rank
    from ordered_products
    inner join intermediate.int_product_rules as rules
        on ordered_products.product_id = rules.product_id
        and rules.rule_set = ''
        and rules.is_recommendable
    left join intermediate.int_user_product_exclusions as exclusions
        on ordered_products.user_id = exclusions.user_id
        and ordered_products.product_id = exclusions.product_id
    where exclusions.product_id is null
    group by ordered_products.user_id, ordered_products.product_id

),

whole_lists as (

    select
        ranked.user_id,
        ranked.product_id,
        row_number() over (
            partition by ranked.user_id
            order by coalesce(impressions.is_fatigued, false), ranked.rank
        ) as rank
    from ranked
    left join marts.feat_user_product_impressions as impressions
        on ranked.user_id = impressions.user_id
        and ranked.product_id = impressions.product_id
        and impressions.cutoff = 'now'
    where ranked.rank <= (select max(rank) from marts.rec_top_n)

)

select user_id, list(product_id order by rank) as product_ids
from whole_lists
where rank <= $length
group by user_id
"""

MEASURED_METRICS = """
with customers as (

    select user_id, min(arm) as arm, min(published_at) as enrolled_at
    from marts.fct_recommendation_lists
    where experiment = $experiment
    group by user_id

),

orders as (

    select
        customers.user_id,
        transactions.transaction_id,
        count(distinct products.category) as categories,
        sum(transactions.quantity) as pieces,
        sum(transactions.amount) as revenue
    from marts.fct_transactions as transactions
    inner join customers
        on transactions.user_id = customers.user_id
        and transactions.purchased_at >= customers.enrolled_at
    inner join marts.dim_products as products on transactions.product_id = products.product_id
    where not transactions.is_return
    group by customers.user_id, transactions.transaction_id

),

totals as (

    select
        customers.arm,
        customers.user_id,
        count(orders.transaction_id) as orders,
        coalesce(sum(orders.categories), 0) as order_categories,
        coalesce(sum(orders.pieces), 0) as pieces,
        coalesce(sum(orders.revenue), 0) as revenue
    from customers
    left join orders on customers.user_id = orders.user_id
    group by customers.arm, customers.user_id

)

select
    arm,
    count(*) as customers,
    avg((orders > 0)::integer)::double as conversion,
    avg(orders)::double as orders_per_customer,
    avg(revenue)::double as revenue_per_customer,
    (sum(revenue) / nullif(sum(orders), 0))::double as average_order_value,
    (sum(pieces) / nullif(sum(orders), 0))::double as pieces_per_order,
    (sum(order_categories) / nullif(sum(orders), 0))::double as categories_per_order
from totals
group by arm
"""

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class DemoMetric:
    """A metric of the demo shop's experiment, as measured and as planted."""

    metric: str
    control: float
    """Measured for the customers of the control arm."""
    treatment: float
    measured_lift: float
    """Relative difference of the arms."""
    true_control: float
    """For the customers of both arms, if all of them saw the lists of the control arm."""
    true_treatment: float
    true_lift: float


@dataclass(frozen=True)
class DemoDays:
    """Results of the further days of the demo shop."""

    first_date: date
    end_date: date
    """First day after the further days."""
    customers: dict[str, int]
    """Customers of each arm."""
    metrics: list[DemoMetric]
    report: PipelineReport
    """The last run of the pipeline."""


def run_demo_days(
    settings: Settings, shop: DemoConfig, config: TrainConfig, day_count: int, listener: PipelineListener
) -> DemoDays:
    """Run the pipeline on a demo shop, then on each of its next days, whose customers see the lists that went live.

    Half of the customers are in a control arm without lists. The experiment is in a file of the warehouse, and so the
    project's seed stays as it is.

    Raises:
        RecomartError: See `run_pipeline` and `generate_next_day`.
        ModelError: See `run_pipeline`.
    """
    first_day = find_next_day(shop, settings.landing_dir)
    end_day = first_day + day_count
    experiment_start = write_demo_experiment(settings, shop, first_day, end_day)
    report = _run_pipeline(settings, shop, config, first_day, listener)
    for day in range(first_day, end_day):
        generate_next_day(shop, settings.landing_dir, settings.demo_truth_dir, read_lists(settings))
        listener.on_days(day + 1 - first_day, day_count)
        report = _run_pipeline(settings, shop, config, day + 1, listener)
    end_date = shop.start_date + timedelta(days=end_day)
    customers, metrics = compare_with_truth(settings, experiment_start, end_date)
    return DemoDays(experiment_start, end_date, customers, metrics, report)


def write_demo_experiment(settings: Settings, shop: DemoConfig, first_day: int, end_day: int) -> date:
    """Write the experiment of the days from `first_day` to before `end_day`; return the first day with lists of it.

    An experiment that is there goes on until the new end.
    """
    file = settings.demo_experiments_file
    # An experiment is active from the day of the newest data on, and lists of that day are live on the next one.
    starts_on = format_day(shop, first_day - 1)
    if file.exists():
        starts_on = next(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))["starts_on"]
    rows = [
        f"{EXPERIMENT},{arm},{1 / len(POLICIES)},{policy},{starts_on},{format_day(shop, end_day)}"
        for arm, policy in POLICIES.items()
    ]
    write_text_atomically(file, "\n".join(["name,arm,share,policy,starts_on,ends_on", *rows]) + "\n")
    return date.fromisoformat(starts_on) + timedelta(days=1)


def read_lists(settings: Settings) -> dict[str, LiveList]:
    """Read the live lists of all customers, for those of the experiment with the lists of both arms."""
    _, connection = open_live_copy(settings, lambda copy: (copy, open_copy(settings, copy)))
    with connection:
        rows = connection.execute(LIVE_LISTS, {"length": LIST_LENGTH}).fetchall()
    with open_reader(settings) as connection:
        treatment_lists: Mapping[str, list[str]] = dict(
            connection.execute(TREATMENT_LISTS, {"length": LIST_LENGTH}).fetchall()
        )
    lists = {}
    difference_count = 0
    for user_id, product_ids, experiment, arm in rows:
        if experiment == EXPERIMENT:
            lists_by_arm = {CONTROL: (), TREATMENT: treatment_lists.get(user_id, ())}
            difference_count += arm == TREATMENT and list(lists_by_arm[TREATMENT]) != product_ids
            lists[user_id] = LiveList(product_ids, experiment, arm, lists_by_arm)
        else:
            lists[user_id] = LiveList(product_ids)
    if difference_count:
        LOG.warning(
            "the true effect is approximate: the lists of %s customers are not those of the model and the popular "
            "products. Remove the merchandising rules for an exact figure",
            difference_count,
        )
    return lists


def compare_with_truth(settings: Settings, first_date: date, end_date: date) -> tuple[dict[str, int], list[DemoMetric]]:
    """Return the customers of each arm, and the metrics as measured in the warehouse and as planted."""
    truth = compute_true_metrics(settings.demo_truth_dir, EXPERIMENT, first_date, end_date)
    with open_reader(settings) as connection:
        result = connection.execute(MEASURED_METRICS, {"experiment": EXPERIMENT})
        names = [column[0] for column in result.description or ()]
        measured = {row[0]: dict(zip(names[1:], row[1:], strict=True)) for row in result.fetchall()}
    metrics = []
    for name in names[2:]:
        control, treatment = (measured[arm][name] for arm in POLICIES)
        true_control, true_treatment = (truth[arm][name] for arm in POLICIES)
        # An arm without orders has no mean per order.
        if control and treatment and true_control and true_treatment:
            metrics.append(
                DemoMetric(
                    metric=name,
                    control=control,
                    treatment=treatment,
                    measured_lift=treatment / control - 1,
                    true_control=true_control,
                    true_treatment=true_treatment,
                    true_lift=true_treatment / true_control - 1,
                )
            )
    return {arm: int(row["customers"]) for arm, row in measured.items()}, metrics


def _run_pipeline(
    settings: Settings, shop: DemoConfig, config: TrainConfig, day: int, listener: PipelineListener
) -> PipelineReport:
    """Run all steps as of the start of a day: the lists go live before its first session."""
    published_at = datetime.combine(shop.start_date + timedelta(days=day), datetime.min.time(), UTC)
    return run_pipeline(settings, config, listener, is_forced=True, published_at=published_at)
