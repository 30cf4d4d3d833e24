"""Fetching of all feeds that declare a web service."""

import time
from collections.abc import Callable

from warehouse.disk_full import describe_disk_full_error
from warehouse.errors import DiskFullError
from warehouse.fetching.reports import FetchProgress, FetchReport
from warehouse.settings import Settings
from warehouse.sources.declaration import Feed
from warehouse.sources.rest_api import Api
from warehouse.sources.yaml_file import read_sources


def find_api_feeds(settings: Settings) -> list[tuple[Feed, Api]]:
    """Find the feeds that declare a web service; return each feed with its service.

    Raises:
        RecomartError: The sources file is missing or wrong.
    """
    return [(feed, feed.api) for feed in read_sources(settings.sources).feeds.values() if feed.api]


def fetch_feeds(settings: Settings, on_progress: Callable[[FetchProgress], None] = lambda _: None) -> FetchReport:
    """Fetch every feed that declares a web service; write a new landing file if the records changed.

    A fetch that fails or is killed writes no landing file and keeps its pages; the next fetch resumes it.

    Raises:
        RecomartError: The sources file is wrong, a secret is missing, a service refuses a request, or its catalog
            changes during every pass. The message names the feed.
        TemporaryError: A service does not respond, or another process is fetching. The message names the feed.
        DiskFullError: The disk of the landing folder is full.
    """
    start_seconds = time.perf_counter()
    report = FetchReport()
    for feed, api in find_api_feeds(settings):
        # Imported here because dlt takes one second to import, which every command would pay and few shops need.
        from warehouse.fetching.feed_fetch import fetch_feed

        try:
            report.feeds[feed.name] = fetch_feed(feed, api, settings, on_progress)
        except OSError as error:
            if message := describe_disk_full_error(str(error), settings.landing_dir):
                raise DiskFullError(message) from None
            raise
    report.seconds = time.perf_counter() - start_seconds
    return report
