"""Fetch a feed that a web service hands out into one file that is complete when it appears.

A catalog may change while it is paged. Where pages are numbers, offsets or links, a product that moves to an earlier
page is never seen, and one more that is new makes up for it in the count, so that not even a declared `total` would
tell. Such a catalog is read until two readings in a row have the same ids; a cursor's service sees to it itself, and is
read once. In every reading repeats of a record are dropped, and it does not count where one id comes with two different
records or where the number of ids is not the `total` that every page declares.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from warehouse.errors import RecomartError
from warehouse.fetching.catalog_records import ConflictingRecordError, RecordStore, make_record
from warehouse.fetching.checkpoint import FetchCheckpoint, FetchState
from warehouse.fetching.credentials import ServiceCredentials
from warehouse.fetching.fetched_files import FetchedFiles
from warehouse.fetching.http_session import RequestRefusedError, RetryingSession, ServiceError
from warehouse.fetching.pages import Page, ServiceClient
from warehouse.fetching.reports import FeedFetchReport, FetchProgress
from warehouse.sources.declaration import Feed
from warehouse.sources.rest_api import Api, OffsetPaging, PageNumberPaging

MAX_PAGES_WITHOUT_NEW_RECORDS = 20
"""Pages in a row without a new record, after which paging is taken to go on for ever."""


class _CatalogChangedError(Exception):
    """The catalog changed during a reading, which tells nothing then."""


def fetch_feed(feed: Feed, api: Api, landing: Path, on_progress: Callable[[FetchProgress], None]) -> FeedFetchReport:
    """Fetch one feed; see `fetch`."""
    place = f"feeds.{feed.name}.api"
    try:
        credentials = ServiceCredentials(api.auth)
    except RecomartError as error:
        raise RecomartError(f"{place}: {error}") from None
    files = FetchedFiles(feed, landing)
    try:
        with files.lock_folder(), credentials.redact_logs():
            return _CatalogFetcher(feed, api, files, credentials, on_progress).run()
    except RecomartError as error:
        # Without what led to it: the errors underneath quote addresses.
        raise RecomartError(f"{place}: {credentials.redact(str(error))}") from None


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
        self._id_column = api.id_column or feed.columns["product_id"]
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
        started = time.perf_counter()
        resumed_pages = self._checkpoint.state.page_count
        with self._session:
            records = self._read_until_stable()
        file, is_new = self._files.publish(records, self._checkpoint)
        return FeedFetchReport(
            record_count=len(records),
            file=file,
            is_new=is_new,
            pass_count=self._progress.pass_number,
            request_count=self._session.request_count,
            resumed_page_count=resumed_pages,
            seconds=time.perf_counter() - started,
        )

    def _read_until_stable(self) -> RecordStore:
        """Readings of the whole catalog, until one counts and, where products can shift, the next one agrees."""
        why = ""
        # Fewer may be allowed than when the reading that goes on began: it is the last one then.
        for number in range(min(self._checkpoint.state.pass_number, self._api.max_passes), self._api.max_passes + 1):
            before = self._checkpoint.state.previous_ids_fingerprint
            try:
                records = self._read_pass()
            except _CatalogChangedError as change:
                why, ids = str(change), None
            else:
                ids = records.compute_ids_fingerprint()
                if not self._api.paging.has_shifting_pages or ids == before:
                    return records
                why = "two readings in a row had different ids"
                del records  # before the next reading needs the memory
            if number < self._api.max_passes:
                self._checkpoint.start_pass(number + 1, ids)
        self._checkpoint.discard_state()
        raise ServiceError(
            f"the catalog changed during each of {self._api.max_passes} readings (the last time: {why}); fetch again "
            "when it is quieter, or raise `max_passes`"
        )

    def _read_pass(self) -> RecordStore:
        """Read the catalog to its end, from where the checkpoint stands.

        Raises:
            _ChangedError: It changed meanwhile.
            ServiceError: The service does not answer, or its pages never end.
        """
        found = self._checkpoint.state
        try:
            return self._continue_pass()
        except RequestRefusedError:
            # A service forgets its cursors: where a fetch cannot go on, it begins anew.
            if found.page_count == 0 or self._checkpoint.state is not found:
                raise
        self._checkpoint.start_pass(found.pass_number, found.previous_ids_fingerprint)
        return self._continue_pass()

    def _continue_pass(self) -> RecordStore:
        state = self._checkpoint.state
        records = self._checkpoint.open_records(self._id_column)
        fruitless = 0
        for page in () if state.is_complete else self._service.read_pages(state.next_location):
            if state.total not in (None, page.total):
                raise _CatalogChangedError(f"the total went from {state.total} to {page.total}")
            fruitless = 0 if self._add_page(page, records) else fruitless + 1
            if page.next_location and (
                page.next_location == state.next_location or fruitless == MAX_PAGES_WITHOUT_NEW_RECORDS
            ):
                self._checkpoint.discard_state()
                raise ServiceError(
                    f"the pages never end: page {state.page_count + 1} leads to itself, or is one more that brought nothing "
                    "new; look at the parameters of `paging`"
                )
            is_all = self._is_end_known_by_count and page.total == len(records)
            state = FetchState(
                request_fingerprint=state.request_fingerprint,
                started_at=state.started_at,
                pass_number=state.pass_number,
                previous_ids_fingerprint=state.previous_ids_fingerprint,
                page_count=state.page_count + 1,
                byte_count=records.size_bytes,
                total=page.total,
                next_location=page.next_location,
                is_complete=is_all or page.next_location is None,
            )
            self._checkpoint.save(state)
            self._report_progress(
                FetchProgress(self._feed.name, state.pass_number, state.page_count, len(records), state.total)
            )
            if state.is_complete:
                break
        if state.total not in (None, len(records)):
            raise _CatalogChangedError(f"{len(records)} records came where the service counts {state.total}")
        if not records:
            self._checkpoint.discard_state()
            raise ServiceError("the service has no records; look at `path`, `params` and `records`")
        return records

    @property
    def _is_end_known_by_count(self) -> bool:
        """Whether the page after the last need not be asked for; a link or a mark says itself where the end is."""
        return isinstance(self._api.paging, PageNumberPaging | OffsetPaging)

    def _add_page(self, page: Page, records: RecordStore) -> int:
        """Add a page's records, and say how many were new."""
        found = [make_record(value, self._id_column) for value in page.records]
        if found and not records and all(record.id is None for record in found):
            keys = sorted({key for value in page.records if isinstance(value, dict) for key in value})
            raise ServiceError(
                f"no record has an id under '{self._id_column}'; they have {', '.join(keys) or 'no keys'}"
            )
        if any(self._credentials.appear_in(record.line.decode()) for record in found):
            raise ServiceError(
                f"a record repeats the value of {self._credentials.variable_names}, which no file may hold"
            )
        try:
            return records.add(found)
        except ConflictingRecordError as error:
            raise _CatalogChangedError(str(error)) from None

    def _report_progress(self, progress: FetchProgress) -> None:
        self._progress = progress
        self._on_progress(progress)

    def _report_wait(self, reason: str, seconds: float) -> None:
        waiting = f"{self._credentials.redact(reason)}; next attempt in {seconds:.1f} s"
        self._on_progress(self._progress._replace(wait_reason=waiting))
