"""What arrived and what became of it, for each feed."""

import duckdb
from pydantic import BaseModel, ConfigDict

from warehouse.database import reader
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


def feed_status(settings: Settings) -> list[FeedStatus]:
    """The row accounting of every declared feed.

    Raises:
        WarehouseBusyError: Another process is writing the warehouse.
        RecomartError: There is no warehouse yet.
    """
    with reader(settings) as connection:
        ledger = connection.execute(LEDGER).fetchall()
        try:
            audit = {feed: (loaded, rest) for feed, loaded, *rest in connection.execute(AUDIT).fetchall()}
        except duckdb.CatalogException:
            audit = {}
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
            )
        )
    return statuses
