"""The log of a publication, written for tests."""

from collections.abc import Sequence
from datetime import datetime

import duckdb

from tests.three_feed_shop import Shop


def write_list_log(
    shop: Shop, published_at: datetime, arms: Sequence[tuple[str, str | None]], product_ids: Sequence[str]
) -> None:
    """Write the log of a publication with one list for all customers, each with an arm of the experiment `trial`.

    Without an arm, a customer takes part in no experiment.
    """
    folder = shop.settings.published_lists_dir
    folder.mkdir(parents=True)
    with duckdb.connect() as connection:
        connection.execute("create table arms (user_id varchar, arm varchar)")
        connection.executemany("insert into arms values (?, ?)", arms)
        connection.execute(
            f"""
            copy (
                select
                    user_id, 'customer' as placement, timestamp '{published_at.isoformat()}' as published_at,
                    case when arm is not null then 'trial' end as experiment, arm, 'run' as run_id,
                    {list(product_ids)} as product_ids,
                    {["model"] * len(product_ids)} as sources, {["viewed"] * len(product_ids)} as reason_keys,
                    'recomart-1.duckdb' as publication, hash(user_id) as list_hash
                from arms
            ) to '{folder / "recomart-1.parquet"}' (format parquet)
            """
        )
