"""The benchmark of publishing: a publication of many lists, and the log of those that it changed."""

import shutil
import time
from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, Field

from apps.benchmarks.measurement import get_machine_info
from apps.benchmarks.targets import Target
from warehouse.database import open_writer
from warehouse.publishing.publisher import log_live_lists, publish
from warehouse.settings import Settings

TABLES = ("rec_top_n",)

LIST_LENGTH = 50
PRODUCT_COUNT = 100_000

MONTH_DAYS = 30

LISTS_SQL = """
create schema if not exists marts;

create or replace table marts.rec_top_n as
with customers as (

    select
        i as customer,
        -- Each day gives a share of the customers other products.
        list_count([
            day for day in range(1, $day + 1) if hash(i, day) % 1000000 < 1000000 * $changed_share
        ]) as list_version
    from range($customers) as customers(i)

),

product_ranks as (

    select
        customers.customer,
        ranks.rank,
        hash(customers.customer, ranks.rank, customers.list_version) % $product_count as product
    from customers
    cross join range(1, $list_length + 1) as ranks(rank)

)

select
    '20260101T000000000000Z' as run_id,
    format('U{:08d}', customer) as user_id,
    cast(rank as integer) as rank,
    format('P{:07d}', product) as product_id,
    format('Product {}', product) as product_name,
    format('category {}', product % 40) as category,
    format('brand {}', product % 400) as brand,
    cast((product % 20000) / 100 as decimal(18, 4)) as price,
    1.0 / rank as score,
    'model' as source,
    format('P{:07d}', product) as reason_product_id,
    format('Because you viewed Product {}', product) as reason,
    'viewed' as reason_key
from product_ranks
"""


class PublishedShop(BaseModel):
    """Sizes of the synthetic shop."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    customers: int = Field(default=1_000_000, ge=1)
    """Number of customers, each with a list of 50 products."""

    changed_share: float = Field(default=0.17, ge=0, le=1)
    """Share of the lists that a publication changes; 17 % of a million lists a day are 50 million logged places a
    month."""


class LogTime(BaseModel):
    """The log of one publication."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    publication: str
    publish_seconds: float
    """Seconds to write, verify and hash the copy, without the log."""

    log_seconds: float
    log_share: float
    """Seconds of the log as a share of those of publishing."""

    publish_cpu_seconds: float
    log_cpu_seconds: float
    log_mib: float


class PublishingResult(BaseModel):
    """The figures of one benchmark run."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    machine: dict[str, str | int | float]
    shop: PublishedShop
    copy_mib: int
    log_times: list[LogTime]

    @property
    def targets(self) -> list[Target]:
        """The targets for a day's log."""
        is_default_size = self.shop.customers >= PublishedShop().customers
        return [
            Target.evaluate(f"log / publishing, {row.publication}", row.log_share, 0.1, is_default_size=is_default_size)
            for row in self.log_times[1:]
        ]


def run_publishing_benchmark(
    settings: Settings, shop: PublishedShop, on_stage: Callable[[str], None] = lambda _: None
) -> PublishingResult:
    """Publish synthetic lists three times, and log the lists: all, those of a day, those of a day after a month."""
    settings.landing_dir.mkdir(parents=True, exist_ok=True)
    # One copy at a time needs less disk space.
    settings = settings.model_copy(update={"serving_copies": 1})
    log_times = []
    copy_mib = 0
    for day, publication in enumerate(("first", "a day later", f"after {MONTH_DAYS} days of logs")):
        on_stage(f"{publication}: lists")
        _write_lists(settings, shop, day)
        on_stage(f"{publication}: publication")
        start_seconds, start_cpu_seconds = time.perf_counter(), time.process_time()
        published = publish(settings.model_copy(update={"effect_depth": 0}), TABLES)
        publish_seconds = time.perf_counter() - start_seconds
        publish_cpu_seconds = time.process_time() - start_cpu_seconds
        copy_mib = (settings.serving_dir / published.file).stat().st_size >> 20
        on_stage(f"{publication}: log")
        start_seconds, start_cpu_seconds = time.perf_counter(), time.process_time()
        log_live_lists(settings)
        log_seconds = time.perf_counter() - start_seconds
        log_cpu_seconds = time.process_time() - start_cpu_seconds
        newest_file = max(settings.published_lists_dir.glob("*.parquet"))
        log_times.append(
            LogTime(
                publication=publication,
                publish_seconds=round(publish_seconds, 2),
                log_seconds=round(log_seconds, 2),
                log_share=round(log_seconds / publish_seconds, 3),
                publish_cpu_seconds=round(publish_cpu_seconds, 2),
                log_cpu_seconds=round(log_cpu_seconds, 2),
                log_mib=round(newest_file.stat().st_size / (1 << 20), 1),
            )
        )
        if day == 1:
            # The log of a month, without the time to publish thirty times.
            for number in range(1, MONTH_DAYS):
                shutil.copy(newest_file, newest_file.with_name(f"{newest_file.stem}-{number}.parquet"))
    return PublishingResult(machine=get_machine_info(), shop=shop, copy_mib=copy_mib, log_times=log_times)


def _write_lists(settings: Settings, shop: PublishedShop, day: int) -> None:
    with open_writer(settings) as connection:
        *statements, query = LISTS_SQL.split(";\n")
        for statement in statements:
            connection.execute(statement)
        connection.execute(
            query,
            {
                "day": day,
                "customers": shop.customers,
                "changed_share": shop.changed_share,
                "list_length": LIST_LENGTH,
                "product_count": PRODUCT_COUNT,
            },
        )
