"""The log of published lists: Parquet files in the landing folder with the lists that each publication changed."""

import logging
import os
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import UTC
from pathlib import Path

import duckdb

from warehouse.atomic_files import flush_to_disk
from warehouse.database import connect_to_file
from warehouse.erasure.customer_tables import IS_USER_ROW
from warehouse.publishing.live_copy import PublishedCopy
from warehouse.settings import Settings
from warehouse.sql_text import quote_literal

LOGGED_PLACEMENTS = ("home", "customer")
"""Placement of the published lists, and its name in logs of an earlier version of RecoMart."""

LOG = logging.getLogger(__name__)

# Customers are compared by a hash of ranks and products, because building the lists of all customers takes longer than
# the rest of the log. `bit_xor` does not depend on the order of the rows; it needs the hash of a text, because the hash
# of two columns is the exclusive or of theirs, so that products could change places. With md5, the hashes of 3 million
# rows take five times as long; after an upgrade of DuckDB that changes `hash`, all lists are logged once more. A list
# with other propensities has changed: otherwise, only lists with explored places would have propensities at first.
CHANGED_LISTS = """
create temp table changed_lists as
with hashed_lists as (

    select
        user_id,
        bit_xor(hash(rank || ':' || product_id || {propensity_text})) as products_hash
    from rec_top_n
    where rank <= {depth}
    group by user_id

),

arms as (

    {arms}

),

current_lists as (

    select
        coalesce(hashed_lists.user_id, arms.user_id) as user_id,
        arms.experiment,
        arms.arm,
        xor(
            coalesce(hashed_lists.products_hash, 0),
            if(arms.arm is null, 0, hash(arms.experiment || ':' || arms.arm))
        ) as list_hash
    from hashed_lists
    full join arms on hashed_lists.user_id = arms.user_id

),

logged_lists as (

    {logged_lists}

)

select
    coalesce(current_lists.user_id, logged_lists.user_id) as user_id,
    current_lists.experiment,
    current_lists.arm,
    -- The hash of a customer without a list and an experiment is 0.
    coalesce(current_lists.list_hash, 0) as list_hash
from current_lists
full join logged_lists on current_lists.user_id = logged_lists.user_id
where coalesce(current_lists.list_hash, 0) != coalesce(logged_lists.list_hash, 0)
"""

PROPENSITIES = "if(count(propensity) > 0, list(propensity order by rank), null)"

NO_ARMS = "select null::varchar as user_id, null::varchar as experiment, null::varchar as arm limit 0"

ARMS = "select user_id, experiment, arm from rec_customer_arms"

NO_LOGGED_LISTS = "select null::varchar as user_id, null::ubigint as list_hash limit 0"

# The time of a publication may be that of a simulated shop or of a wrong clock, so the number of the copy orders the
# lists. A copy of an earlier version of RecoMart has no number.
LOGGED_LISTS = """
    select
        user_id,
        arg_max(list_hash, regexp_extract(publication, '^recomart-([0-9]{{8}})-', 1)) as list_hash
    from read_parquet({files})
    where placement in {placements}
    group by user_id
"""

LOG_ROWS = """
copy (
    with lists as (

        select
            user_id,
            any_value(run_id) as run_id,
            list(product_id order by rank) as product_ids,
            list({source} order by rank) as sources,
            list({reason_key} order by rank) as reason_keys,
            {propensities} as propensities
        from rec_top_n
        where rank <= {depth} and user_id in (select user_id from changed_lists)
        group by user_id

    )

    select
        changed_lists.user_id,
        {placement} as placement,
        {published_at}::timestamp as published_at,
        changed_lists.experiment,
        changed_lists.arm,
        lists.run_id,
        coalesce(lists.product_ids, []::varchar[]) as product_ids,
        coalesce(lists.sources, []::varchar[]) as sources,
        coalesce(lists.reason_keys, []::varchar[]) as reason_keys,
        lists.propensities,
        {publication} as publication,
        changed_lists.list_hash
    from changed_lists
    left join lists on changed_lists.user_id = lists.user_id
    order by changed_lists.user_id
) to {file} (format parquet, compression zstd, use_tmp_file false)
"""


def is_list_log_due(settings: Settings, published: PublishedCopy) -> bool:
    """Return whether the log of a copy is missing."""
    if settings.effect_depth == 0 or "rec_top_n" not in published.rows:
        return False
    # Path.exists raises an error if the folder cannot be read.
    return not os.path.exists(_get_log_file(settings, published))  # noqa: PTH110


def _get_log_file(settings: Settings, published: PublishedCopy) -> Path:
    return settings.published_lists_dir / Path(published.file).with_suffix(".parquet").name


def write_list_log(settings: Settings, published: PublishedCopy, forgotten_user_id: str | None = None) -> None:
    """Log the lists of the live copy that differ from the customer's last logged list, if they are not logged yet.

    The caller holds the lock of publishing. The file gets its name when it is complete, also without lists, so a list
    is never logged twice.

    A failure is a warning, because the copy is live already: the next load or publication writes the log.

    Args:
        settings: The folders of the warehouse, and the number of ranks to log.
        published: The live copy.
        forgotten_user_id: The log gets no row of this customer.
    """
    if not is_list_log_due(settings, published):
        return
    file = _get_log_file(settings, published)
    unfinished = file.with_name(f"{file.name}.tmp")
    try:
        # A landing folder that is not mounted must not be created in its place.
        settings.landing_dir.stat()
        file.parent.mkdir(parents=True, exist_ok=True)
        # A killed publication may have left one.
        for path in file.parent.glob("*.parquet.tmp"):
            path.unlink()
        _write_changed_lists(settings, published, unfinished, forgotten_user_id)
        flush_to_disk(unfinished)
        unfinished.rename(file)
    except (OSError, duckdb.Error) as error:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        LOG.warning(
            "%s: the log of the published lists was not written: %s. The lists are live; the next load or publication "
            "writes the log",
            file,
            str(error).splitlines()[0],
        )


def _write_changed_lists(
    settings: Settings, published: PublishedCopy, file: Path, forgotten_user_id: str | None
) -> None:
    """Write the changed lists into a Parquet file."""
    logged_files = sorted(str(path) for path in settings.published_lists_dir.glob("*.parquet"))
    placement = quote_literal(LOGGED_PLACEMENTS[0])
    with closing(connect_to_file(settings, settings.serving_dir / published.file, read_only=True)) as connection:
        # A copy of an earlier version of RecoMart may lack some.
        columns = connection.sql("from rec_top_n limit 0").columns

        def find_changed_lists(files: Sequence[str]) -> None:
            connection.execute(
                CHANGED_LISTS.format(
                    depth=settings.effect_depth,
                    propensity_text="coalesce(':' || propensity, '')" if "propensity" in columns else "''",
                    arms=ARMS if "rec_customer_arms" in published.rows else NO_ARMS,
                    logged_lists=_build_logged_lists(files) if files else NO_LOGGED_LISTS,
                )
            )

        try:
            find_changed_lists(logged_files)
        except duckdb.Error:
            find_changed_lists([file for file in logged_files if _is_readable(connection, file)])
        if forgotten_user_id is not None:
            connection.execute(f"delete from changed_lists where {IS_USER_ROW}", [forgotten_user_id])
        connection.execute(
            LOG_ROWS.format(
                source="source" if "source" in columns else "null::varchar",
                reason_key="reason_key" if "reason_key" in columns else "null::varchar",
                propensities=PROPENSITIES if "propensity" in columns else "null::double[]",
                depth=settings.effect_depth,
                placement=placement,
                published_at=quote_literal(f"{published.published_at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"),
                publication=quote_literal(published.file),
                file=quote_literal(str(file)),
            )
        )


def _build_logged_lists(files: Sequence[str]) -> str:
    return LOGGED_LISTS.format(
        files=f"[{', '.join(map(quote_literal, files))}]",
        placements=f"({', '.join(map(quote_literal, LOGGED_PLACEMENTS))})",
    )


def _is_readable(connection: duckdb.DuckDBPyConnection, file: str) -> bool:
    """Return whether a file of the log can be read; warn if not."""
    try:
        connection.execute(_build_logged_lists([file])).fetchall()
    except duckdb.Error as error:
        LOG.warning(
            "%s: the log of published lists cannot be read: %s. Restore the file from a backup, or delete it. Its "
            "lists may be logged again",
            file,
            str(error).splitlines()[0],
        )
        return False
    return True
