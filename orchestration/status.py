"""What arrived and what became of it, for each feed."""

import duckdb
from pydantic import BaseModel, ConfigDict

from warehouse.database import reader
from warehouse.errors import RecomartError
from warehouse.settings import Settings


class FeedStatus(BaseModel):
    """A feed's row accounting; the last three are None until dbt has built, or when rows were loaded since."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    feed: str
    files: int
    lines: int
    loaded: int
    rejected: int
    clean: int | None
    duplicates: int | None
    quarantined: int | None
    rejected_files: int
    reasons: dict[str, int]
    """Why rows are in quarantine, the most frequent first; a row may have several."""


LEDGER = """
    select
        feeds.feed,
        count(files.path) as files,
        coalesce(sum(files.lines), 0) as lines,
        coalesce(sum(files.rows_loaded), 0) as loaded,
        coalesce(sum(files.rows_rejected), 0) as rejected,
        (select count(*) from raw.rejected_files as broken where broken.feed = feeds.feed) as rejected_files,
    from raw.feeds as feeds
    left join raw.loaded_files as files on feeds.feed = files.feed
    group by feeds.feed
    order by feeds.feed
"""

AUDIT = "select feed, loaded, clean, duplicates, quarantined from marts.audit_feeds"

REASONS = "select feed, reason, rows from marts.audit_quarantine_reasons order by rows desc, reason"


def feed_status(settings: Settings) -> list[FeedStatus]:
    """The row accounting of every declared feed.

    Raises:
        WarehouseBusyError: Another process is writing the warehouse.
        RecomartError: There is no warehouse yet.
    """
    with reader(settings) as connection:
        try:
            ledger = connection.execute(LEDGER).fetchall()
        except duckdb.CatalogException as error:
            raise RecomartError(
                f"{settings.database}: nothing was ever loaded here; load a shop with `recomart run`, or make one with "
                "`make demo`"
            ) from error
        try:
            audit = {feed: (loaded, rest) for feed, loaded, *rest in connection.execute(AUDIT).fetchall()}
            reasons = connection.execute(REASONS).fetchall()
        except duckdb.CatalogException:
            audit, reasons = {}, []
    statuses = []
    for feed, files, lines, loaded, rejected, rejected_files in ledger:
        audited, parts = audit.get(feed, (None, (None, None, None)))
        clean, duplicates, quarantined = parts if audited == loaded else (None, None, None)
        statuses.append(
            FeedStatus(
                feed=feed,
                files=files,
                lines=lines,
                loaded=loaded,
                rejected=rejected,
                clean=clean,
                duplicates=duplicates,
                quarantined=quarantined,
                rejected_files=rejected_files,
                reasons={reason: rows for of, reason, rows in reasons if of == feed and clean is not None},
            )
        )
    return statuses
