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
from warehouse.fetching.catalog_records import ContradictionError, Records, as_record
from warehouse.fetching.checkpoint import Checkpoint, State
from warehouse.fetching.credentials import Credentials
from warehouse.fetching.fetched_files import FetchedFiles
from warehouse.fetching.http_session import PatientSession, RefusedError, ServiceError
from warehouse.fetching.pages import Page, Service
from warehouse.fetching.reports import FetchedFeed, FetchProgress
from warehouse.sources.declaration import Feed
from warehouse.sources.rest_api import Api, Offsets, PageNumbers

MOST_FRUITLESS_PAGES = 20
"""Pages in a row without a new record, after which paging is taken to go on for ever."""


class _ChangedError(Exception):
    """The catalog changed during a reading, which tells nothing then."""


def fetch_feed(feed: Feed, api: Api, landing: Path, on_progress: Callable[[FetchProgress], None]) -> FetchedFeed:
    """Fetch one feed; see `fetch`."""
    place = f"feeds.{feed.name}.api"
    try:
        credentials = Credentials(api.auth)
    except RecomartError as error:
        raise RecomartError(f"{place}: {error}") from None
    files = FetchedFiles(feed, landing)
    try:
        with files.locked(), credentials.kept_out_of_logs():
            return _Fetch(feed, api, files, credentials, on_progress).run()
    except RecomartError as error:
        # Without what led to it: the errors underneath quote addresses.
        raise RecomartError(f"{place}: {credentials.redact(str(error))}") from None


class _Fetch:
    """One fetch of one feed."""

    def __init__(
        self,
        feed: Feed,
        api: Api,
        files: FetchedFiles,
        credentials: Credentials,
        on_progress: Callable[[FetchProgress], None],
    ) -> None:
        self._feed = feed
        self._api = api
        self._files = files
        self._credentials = credentials
        self._id_column = api.id_column or feed.columns["product_id"]
        self._checkpoint = Checkpoint(
            files.folder / f".{feed.name}.fetching", api.asked + self._id_column, timedelta(hours=api.resume_hours)
        )
        self._on_progress = on_progress
        self._progress = FetchProgress(feed.name, self._checkpoint.state.reading, 0, 0, None)
        self._session = PatientSession(api, credentials, self._announce_wait)
        self._service = Service(api, self._session, credentials)

    def run(self) -> FetchedFeed:
        started = time.perf_counter()
        resumed_pages = self._checkpoint.state.pages
        with self._session:
            records = self._read_until_sure()
        file, is_new = self._files.publish(records, self._checkpoint)
        return FetchedFeed(
            records=len(records),
            file=file,
            is_new=is_new,
            readings=self._progress.reading,
            requests=self._session.requests_sent,
            resumed_pages=resumed_pages,
            seconds=time.perf_counter() - started,
        )

    def _read_until_sure(self) -> Records:
        """Readings of the whole catalog, until one counts and, where products can shift, the next one agrees."""
        why = ""
        # Fewer may be allowed than when the reading that goes on began: it is the last one then.
        for number in range(min(self._checkpoint.state.reading, self._api.readings), self._api.readings + 1):
            before = self._checkpoint.state.ids_before
            try:
                records = self._read()
            except _ChangedError as change:
                why, ids = str(change), None
            else:
                ids = records.ids()
                if not self._api.paging.shifts or ids == before:
                    return records
                why = "two readings in a row had different ids"
                del records  # before the next reading needs the memory
            if number < self._api.readings:
                self._checkpoint.begin_reading(number + 1, ids)
        self._checkpoint.forget()
        raise ServiceError(
            f"the catalog changed during each of {self._api.readings} readings (the last time: {why}); fetch again "
            "when it is quieter, or allow more `readings`"
        )

    def _read(self) -> Records:
        """Read the catalog to its end, from where the checkpoint stands.

        Raises:
            _ChangedError: It changed meanwhile.
            ServiceError: The service does not answer, or its pages never end.
        """
        found = self._checkpoint.state
        try:
            return self._read_on()
        except RefusedError:
            # A service forgets its cursors: where a fetch cannot go on, it begins anew.
            if found.pages == 0 or self._checkpoint.state is not found:
                raise
        self._checkpoint.begin_reading(found.reading, found.ids_before)
        return self._read_on()

    def _read_on(self) -> Records:
        state = self._checkpoint.state
        records = self._checkpoint.records(self._id_column)
        fruitless = 0
        for page in () if state.is_complete else self._service.pages(state.next):
            if state.total not in (None, page.total):
                raise _ChangedError(f"the total went from {state.total} to {page.total}")
            fruitless = 0 if self._take(page, records) else fruitless + 1
            if page.next and (page.next == state.next or fruitless == MOST_FRUITLESS_PAGES):
                self._checkpoint.forget()
                raise ServiceError(
                    f"the pages never end: page {state.pages + 1} leads to itself, or is one more that brought nothing "
                    "new; look at the parameters of `paging`"
                )
            is_all = self._may_end_by_count and page.total == len(records)
            state = State(
                asked=state.asked,
                begun_at=state.begun_at,
                reading=state.reading,
                ids_before=state.ids_before,
                pages=state.pages + 1,
                bytes=records.size,
                total=page.total,
                next=page.next,
                is_complete=is_all or page.next is None,
            )
            self._checkpoint.save(state)
            self._show(FetchProgress(self._feed.name, state.reading, state.pages, len(records), state.total))
            if state.is_complete:
                break
        if state.total not in (None, len(records)):
            raise _ChangedError(f"{len(records)} records came where the service counts {state.total}")
        if not records:
            self._checkpoint.forget()
            raise ServiceError("the service has no records; look at `path`, `params` and `records`")
        return records

    @property
    def _may_end_by_count(self) -> bool:
        """Whether the page after the last need not be asked for; a link or a mark says itself where the end is."""
        return isinstance(self._api.paging, PageNumbers | Offsets)

    def _take(self, page: Page, records: Records) -> int:
        """Add a page's records, and say how many were new."""
        found = [as_record(value, self._id_column) for value in page.records]
        if found and not records and all(record.id is None for record in found):
            keys = sorted({key for value in page.records if isinstance(value, dict) for key in value})
            raise ServiceError(
                f"no record has an id under '{self._id_column}'; they have {', '.join(keys) or 'no keys'}"
            )
        if any(self._credentials.are_in(record.line.decode()) for record in found):
            raise ServiceError(f"a record repeats the value of {self._credentials.variables}, which no file may hold")
        try:
            return records.add(found)
        except ContradictionError as error:
            raise _ChangedError(str(error)) from None

    def _show(self, progress: FetchProgress) -> None:
        self._progress = progress
        self._on_progress(progress)

    def _announce_wait(self, reason: str, seconds: float) -> None:
        waiting = f"{self._credentials.redact(reason)}; next attempt in {seconds:.1f} s"
        self._on_progress(self._progress._replace(waiting=waiting))
