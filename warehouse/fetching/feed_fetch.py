"""Fetch the product catalog of a web service into one landing file.

A pass reads all pages of the catalog. The catalog can change during a pass. With page numbers, offsets or links, the
pages can shift: a product that moves to a page that was already read is missed. The service's `total` does not reveal
the missing product if another product was added. Such a catalog is read until two passes in a row have the same ids. A
service with cursors keeps its pages consistent, so its catalog is read once.

Each pass drops repeated records. A pass is invalid if one id has two different records, or if the number of ids differs
from the `total` of the pages.
"""

import logging
import time
from collections.abc import Callable
from datetime import timedelta

from warehouse.errors import RecomartError, TemporaryError
from warehouse.fetching.catalog_records import ConflictingRecordError, RecordStore, make_record
from warehouse.fetching.checkpoint import FetchCheckpoint, FetchState
from warehouse.fetching.credentials import ServiceCredentials
from warehouse.fetching.fetched_files import FetchedFiles
from warehouse.fetching.http_session import RequestRefusedError, RetryingSession, ServiceError
from warehouse.fetching.pages import Page, ServiceClient
from warehouse.fetching.reports import FeedFetchReport, FetchProgress
from warehouse.settings import Settings
from warehouse.sources.columns import get_source_names
from warehouse.sources.declaration import Feed
from warehouse.sources.rest_api import Api, OffsetPaging, PageNumberPaging

MAX_PAGES_WITHOUT_NEW_RECORDS = 20
"""Number of consecutive pages without a new record after which the paging is considered endless."""


LOG = logging.getLogger(__name__)


class _CatalogChangedError(Exception):
    """The catalog changed during a pass, so the pass is invalid."""


def fetch_feed(
    feed: Feed, api: Api, settings: Settings, on_progress: Callable[[FetchProgress], None]
) -> FeedFetchReport:
    """Fetch one feed; see `fetch_run.fetch_feeds`."""
    setting_path = f"feeds.{feed.name}.api"
    try:
        credentials = ServiceCredentials(api.auth)
    except RecomartError as error:
        raise RecomartError(f"{setting_path}: {error}") from None
    try:
        files = FetchedFiles(feed, settings.landing_dir, settings.linked_folders)
        with files.lock_folder(), credentials.redact_logs():
            return _CatalogFetcher(feed, api, files, credentials, on_progress).run()
    except RecomartError as error:
        # The cause is suppressed (`from None`), because it quotes URLs that may have secrets.
        error_type = TemporaryError if isinstance(error, TemporaryError) else RecomartError
        raise error_type(f"{setting_path}: {credentials.redact(str(error))}") from None


class _CatalogFetcher:
    """One fetch of one feed."""

    def __init__(
        self,
        feed: Feed,
        api: Api,
        files: FetchedFiles,
        credentials: ServiceCredentials,
        on_progress: Callable[[FetchProgress], None],
    ) -> None:
        self._feed = feed
        self._api = api
        self._files = files
        self._credentials = credentials
        self._id_column = api.id_column or get_source_names(feed.columns["product_id"])[0]
        self._checkpoint = FetchCheckpoint(
            files.folder / f".{feed.name}.fetching",
            api.request_text + self._id_column,
            timedelta(hours=api.resume_hours),
        )
        self._on_progress = on_progress
        self._progress = FetchProgress(feed.name, self._checkpoint.state.pass_number, 0, 0, None)
        self._session = RetryingSession(api, credentials, self._report_wait)
        self._service = ServiceClient(api, self._session, credentials)

    def run(self) -> FeedFetchReport:
        start_seconds = time.perf_counter()
        for warning in self._warnings:
            LOG.warning("feeds.%s.api: %s", self._feed.name, warning)
        resumed_page_count = self._checkpoint.state.page_count
        with self._session:
            records = self._read_until_stable()
        file, is_new = self._files.publish(records, self._checkpoint)
        return FeedFetchReport(
            record_count=len(records),
            file=file,
            is_new=is_new,
            pass_count=self._progress.pass_number,
            request_count=self._session.request_count,
            resumed_page_count=resumed_page_count,
            warnings=self._warnings,
            seconds=time.perf_counter() - start_seconds,
        )

    @property
    def _warnings(self) -> list[str]:
        host = self._api.insecure_host
        return (
            [f"the secret is sent to {host} over http, where others can read it. Use https in `base_url`"]
            if host
            else []
        )

    def _read_until_stable(self) -> RecordStore:
        """Read the catalog until a pass is valid and, if pages can shift, the next pass has the same ids."""
        reason = ""
        # If `max_passes` was reduced, the number of a resumed pass can exceed it. That pass is then the last one.
        for number in range(min(self._checkpoint.state.pass_number, self._api.max_passes), self._api.max_passes + 1):
            previous_ids_fingerprint = self._checkpoint.state.previous_ids_fingerprint
            try:
                records = self._read_pass()
            except _CatalogChangedError as change:
                reason, ids_fingerprint = str(change), None
            else:
                ids_fingerprint = records.compute_ids_fingerprint()
                if not self._api.paging.has_shifting_pages or ids_fingerprint == previous_ids_fingerprint:
                    return records
                reason = "two passes in a row had different ids"
                del records  # frees the memory for the next pass
            if number < self._api.max_passes:
                self._checkpoint.start_pass(number + 1, ids_fingerprint)
        self._checkpoint.discard_state()
        raise ServiceError(
            f"the catalog changed during each of {self._api.max_passes} passes (the last time: {reason}). Fetch again "
            "when the catalog changes less, or raise `max_passes`"
        )

    def _read_pass(self) -> RecordStore:
        """Read the catalog from the checkpoint to the end.

        Raises:
            _CatalogChangedError: The catalog changed during the pass.
            ServiceError: The service does not respond, or its pages never end.
        """
        start_state = self._checkpoint.state
        try:
            return self._continue_pass()
        except RequestRefusedError:
            # A cursor can expire. If the first request of a resumed pass is rejected (same state), the pass restarts.
            if start_state.page_count == 0 or self._checkpoint.state is not start_state:
                raise
        self._checkpoint.start_pass(start_state.pass_number, start_state.previous_ids_fingerprint)
        return self._continue_pass()

    def _continue_pass(self) -> RecordStore:
        state = self._checkpoint.state
        records = self._checkpoint.open_records(self._id_column)
        pages_without_new = 0
        for page in () if state.is_complete else self._service.read_pages(state.next_location):
            if state.page_count == self._api.limits.pages:
                self._checkpoint.discard_state()
                raise ServiceError(
                    f"a pass has more than {state.page_count:,} pages. Check `paging`, or raise `limits.pages`"
                )
            if state.total not in (None, page.total):
                raise _CatalogChangedError(f"the total changed from {state.total} to {page.total}")
            pages_without_new = 0 if self._add_page(page, records) else pages_without_new + 1
            if page.next_location and (
                page.next_location == state.next_location or pages_without_new == MAX_PAGES_WITHOUT_NEW_RECORDS
            ):
                self._checkpoint.discard_state()
                raise ServiceError(
                    f"the pages never end: page {state.page_count + 1} links to itself, or is the last of many without "
                    "new records. Check the parameters of `paging`"
                )
            is_count_reached = self._is_end_known_by_count and page.total == len(records)
            state = FetchState(
                request_fingerprint=state.request_fingerprint,
                started_at=state.started_at,
                pass_number=state.pass_number,
                previous_ids_fingerprint=state.previous_ids_fingerprint,
                page_count=state.page_count + 1,
                byte_count=records.size_bytes,
                total=page.total,
                next_location=page.next_location,
                is_complete=is_count_reached or page.next_location is None,
            )
            self._checkpoint.save(state)
            self._report_progress(
                FetchProgress(self._feed.name, state.pass_number, state.page_count, len(records), state.total)
            )
            if state.is_complete:
                break
        if state.total not in (None, len(records)):
            raise _CatalogChangedError(f"{len(records)} records arrived, but the service's total is {state.total}")
        if not records:
            self._checkpoint.discard_state()
            raise ServiceError("the service has no records. Check `path`, `params` and `records`")
        return records

    @property
    def _is_end_known_by_count(self) -> bool:
        """Whether the record count shows the last page; the last page of links or cursors has no next location."""
        return isinstance(self._api.paging, PageNumberPaging | OffsetPaging)

    def _add_page(self, page: Page, records: RecordStore) -> int:
        """Add a page's records; return the number of new ones."""
        page_records = [make_record(value, self._id_column) for value in page.records]
        if page_records and not records and all(record.id is None for record in page_records):
            keys = sorted({key for value in page.records if isinstance(value, dict) for key in value})
            raise ServiceError(
                f"no record has an id under '{self._id_column}'; they have {', '.join(keys) or 'no keys'}. Correct "
                "`id_column` or the mapping of product_id"
            )
        if any(self._credentials.appear_in(record.line.decode()) for record in page_records):
            raise ServiceError(
                f"a record repeats the value of {self._credentials.variable_names}. Secrets are not written to files"
            )
        try:
            return records.add(page_records)
        except ConflictingRecordError as error:
            raise _CatalogChangedError(str(error)) from None

    def _report_progress(self, progress: FetchProgress) -> None:
        self._progress = progress
        self._on_progress(progress)

    def _report_wait(self, reason: str, seconds: float) -> None:
        wait_reason = f"{self._credentials.redact(reason)}; next attempt in {seconds:.1f} s"
        self._on_progress(self._progress._replace(wait_reason=wait_reason))
