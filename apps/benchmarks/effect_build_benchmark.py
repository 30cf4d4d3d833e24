"""The benchmark of the effect marts: a month of lists and actions of many customers."""

import shutil
from datetime import timedelta

import duckdb
from pydantic import BaseModel, ConfigDict, Field

from apps.benchmarks.measurement import ResourceUsage, get_machine_info, measure_contender
from apps.benchmarks.targets import Target
from orchestration.demo_data import generate_demo_shop
from orchestration.progress import PipelineListener
from orchestration.steps import build_marts
from warehouse.atomic_files import write_text_atomically
from warehouse.database import fetch_first_row, open_reader, open_writer
from warehouse.demo.config import DemoConfig
from warehouse.loading.loader import load
from warehouse.settings import Settings

HISTORY_DAYS = 28
"""Days before the experiment; as many are in it."""

# The models whose rows the synthetic rows replace.
REPLACED_MODELS = (
    "intermediate.int_recommendation_lists_classified",
    "intermediate.int_impressions_classified",
    "intermediate.int_user_product_actions",
    "marts.fct_transactions",
    "marts.dim_products",
)

TABLES_SQL = """
create or replace macro product_at(customer, rank, version) as
    format('P{:07d}', hash(customer, rank, version) % $products);

-- The number of the customer's lists until a day; each day changes a share of the lists.
create or replace macro list_version(customer, day) as
    list_count([d for d in range(1, day + 1) if hash(customer, d) % 1000000 < 1000000 * $changed_share]);

insert into marts.dim_products by name
select format('P{:07d}', range) as product_id, format('category {}', range % 40) as category
from range($products);

insert into intermediate.int_recommendation_lists_classified by name
with list_days as (

    select
        customer,
        day
    from range($customers) as customers(customer)
    cross join range(0, $days) as days(day)
    where day = 0 or hash(customer, day) % 1000000 < 1000000 * $changed_share

)

select
    format('U{:08d}', customer) as user_id,
    'customer' as placement,
    $starts_at + to_days(cast(day as integer)) as published_at,
    'popular_or_personal' as experiment,
    if(hash(customer) % 2 = 0, 'control', 'personal') as arm,
    '20260101T000000000000Z' as run_id,
    [product_at(customer, rank, list_version(customer, day)) for rank in range(1, 11)] as product_ids,
    [if(rank < 8, 'model', 'popular') for rank in range(1, 11)] as sources,
    [if(rank < 8, 'viewed', 'popular') for rank in range(1, 11)] as reason_keys,
    'recomart.duckdb' as publication,
    row_number() over () as _line,
    (select max(load_id) from intermediate.int_file_loads) as _load_id,
    cast($starts_at + to_days(cast(day as integer)) as date) as _row_date,
    'clean' as row_status
from list_days;

create or replace table intermediate.benchmark_actions as
with actions as (

    select
        action,
        cast(hash(action, 'customer') % $customers as bigint) as customer,
        -- A customer acts on five days at most.
        cast(hash(customer, action % 5) % (2 * $days) as integer) as day,
        cast(hash(action, 'second') % 86400 as integer) as second,
        hash(action, 'type') % 100 as type
    from range($actions) as actions(action)

)

select
    format('U{:08d}', customer) as user_id,
    customer,
    day - $days as experiment_day,
    if(
        hash(action, 'listed') % 5 = 0,
        product_at(customer, 1 + action % 10, list_version(customer, day - $days)),
        format('P{:07d}', hash(action, 'product') % $products)
    ) as product_id,
    case when type < 80 then 'view' when type < 90 then 'click' when type < 95 then 'add_to_cart' else 'purchase' end
        as action_type,
    $starts_at + to_days(day - $days) + to_seconds(second) as action_at,
    cast(action_at as date) as action_date,
    if(type < 95, null, cast(1 + action % 3 as double)) as quantity,
    if(type < 95, null, cast((action % 20000) / 100 as double)) as price,
    if(type < 95, null, format('T{}-{}', customer, day)) as transaction_id,
    action as _line,
    1 as _load_id
from actions;

insert into intermediate.int_user_product_actions by name
select * exclude (customer, experiment_day) from intermediate.benchmark_actions;

insert into marts.fct_transactions by name
select
    user_id, product_id, quantity, price, quantity * price as amount, transaction_id, action_at as purchased_at,
    action_date as purchase_date, false as is_return, _line, _load_id
from intermediate.benchmark_actions
where action_type = 'purchase';

-- On a day of the experiment, an active customer saw the list once.
insert into intermediate.int_impressions_classified by name
select
    user_id,
    product_at(customer, rank, list_version(customer, experiment_day)) as product_id,
    'customer' as placement,
    cast(rank as integer) as position,
    min(action_at) as seen_at,
    row_number() over () as _line,
    (select max(load_id) from intermediate.int_file_loads) as _load_id,
    min(action_date) as _row_date,
    'clean' as row_status
from intermediate.benchmark_actions
cross join range(1, 11) as ranks(rank)
where $is_measured and experiment_day >= 0
group by user_id, customer, experiment_day, rank;

drop table intermediate.benchmark_actions
"""


class EffectShop(BaseModel):
    """Sizes of the synthetic shop."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    customers: int = Field(default=1_000_000, ge=1)
    """Number of customers, each with a list of ten products, half of them in each arm."""

    changed_share: float = Field(default=0.17, ge=0, le=1)
    """Share of the lists that a day changes; with a million customers, a month has 56 million logged places."""

    actions: int = Field(default=10_000_000, ge=1)
    """Actions in the experiment and the time before it, a twentieth of them purchases."""

    products: int = Field(default=100_000, ge=1)


class EffectBuild(BaseModel):
    """A build of the effect marts."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    basis: str
    """`measured` with a feed of impressions, `inferred` without one."""

    logged_places: int
    impressions: int
    recommended_actions: int
    usage: ResourceUsage


class EffectBuildResult(BaseModel):
    """The figures of one benchmark run."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    machine: dict[str, str | int | float]
    shop: EffectShop
    memory_limit: str
    builds: list[EffectBuild]

    @property
    def targets(self) -> list[Target]:
        """The targets for the time and the memory of a build."""
        is_default_size = self.shop.customers >= EffectShop().customers
        return [
            target
            for build in self.builds
            for target in (
                Target.evaluate(f"seconds, {build.basis}", build.usage.seconds, 180, is_default_size=is_default_size),
                Target.evaluate(
                    f"MiB, {build.basis}", build.usage.max_total_mib, 3 * 1024, is_default_size=is_default_size
                ),
            )
        ]


def run_effect_build_benchmark(settings: Settings, shop: EffectShop, listener: PipelineListener) -> EffectBuildResult:
    """Build the effect marts of a synthetic shop, without and with impressions.

    A small demo shop gives the tables that the effect marts read; then the synthetic rows replace theirs.
    """
    folder = settings.warehouse / "effect_build"
    shutil.rmtree(folder, ignore_errors=True)
    settings = settings.model_copy(update={"warehouse": folder, "landing": folder / "landing"})
    demo_shop = DemoConfig(customers=100, products=50, days=2 * HISTORY_DAYS, events=5000)
    generate_demo_shop(settings, demo_shop, listener, overwrite=True)
    experiment_start = demo_shop.start_date + timedelta(days=HISTORY_DAYS)
    experiment_end = experiment_start + timedelta(days=HISTORY_DAYS)
    arms = {"control": "popularity", "personal": "model"}
    rows = [f"popular_or_personal,{arm},0.5,{arms[arm]},{experiment_start},{experiment_end}\n" for arm in arms]
    write_text_atomically(settings.demo_experiments_file, f"name,arm,share,policy,starts_on,ends_on\n{''.join(rows)}")
    listener.on_stage("build a small shop")
    load(settings)
    build_marts(settings)
    builds = []
    for basis in ("inferred", "measured"):
        listener.on_stage(f"{basis}: synthetic tables")
        with open_writer(settings) as connection:
            _write_tables(connection, shop, experiment_start.isoformat(), is_measured=basis == "measured")
        listener.on_stage(f"{basis}: build")
        usage = measure_contender("effect_marts", settings)
        with open_reader(settings) as connection:
            counts = fetch_first_row(
                connection,
                """
                select
                    (select sum(len(product_ids)) from marts.fct_recommendation_lists),
                    (select count(*) from marts.fct_impressions),
                    (select count(*) from marts.fct_recommended_actions)
                """,
            )
        places, impressions, actions = counts or (0, 0, 0)
        builds.append(
            EffectBuild(
                basis=basis,
                logged_places=places,
                impressions=impressions,
                recommended_actions=actions,
                usage=usage,
            )
        )
    return EffectBuildResult(machine=get_machine_info(), shop=shop, memory_limit=settings.memory_limit, builds=builds)


def _write_tables(
    connection: duckdb.DuckDBPyConnection, shop: EffectShop, starts_on: str, *, is_measured: bool
) -> None:
    literals = {
        "$customers": str(shop.customers),
        "$products": str(shop.products),
        "$actions": str(shop.actions),
        "$changed_share": str(shop.changed_share),
        "$days": str(HISTORY_DAYS),
        "$starts_at": f"timestamp '{starts_on}'",
        "$is_measured": str(is_measured),
    }
    for model in REPLACED_MODELS:
        connection.execute(f"create or replace temp table synthetic_rows as from {model} limit 0")
        is_view = fetch_first_row(
            connection, "from duckdb_views() where concat_ws('.', schema_name, view_name) = ?", [model]
        )
        connection.execute(f"drop {'view' if is_view else 'table'} {model}")
        connection.execute(f"create table {model} as from synthetic_rows")
    for statement in TABLES_SQL.split(";\n"):
        for name, literal in literals.items():
            statement = statement.replace(name, literal)
        connection.execute(statement)
