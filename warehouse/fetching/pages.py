"""The pages of a service, by dlt's REST client: it composes the requests and knows the paging styles."""

from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import SplitResult, unquote, unquote_plus, urljoin, urlsplit, urlunsplit

from dlt.common import jsonpath
from dlt.common.configuration.specs import RuntimeConfiguration
from dlt.sources.helpers.rest_client.client import PageData, RESTClient
from dlt.sources.helpers.rest_client.paginators import (
    BasePaginator,
    HeaderLinkPaginator,
    JSONLinkPaginator,
    JSONResponseCursorPaginator,
    OffsetPaginator,
    PageNumberPaginator,
    SinglePagePaginator,
)
from pydantic import BaseModel, ValidationError
from requests import Response

from warehouse.fetching.credentials import Credentials
from warehouse.fetching.http_session import PatientSession, ServiceError, parse
from warehouse.sources.rest_api import Api, Cursors, LinkHeaders, NextLinks, Offsets, OnePage, PageNumbers


class Place(BaseModel):
    """Where the next page is; never with a secret."""

    url: str
    params: dict[str, str | int | float]


class Page(NamedTuple):
    """One page of a service."""

    records: list[Any]
    """What stands in the list, whatever that is."""

    total: int | None
    """How many records the service says there are in all."""

    next: Place | None
    """None after the last page."""


class Service:
    """A service that is asked for its pages over one session."""

    def __init__(self, api: Api, session: PatientSession, credentials: Credentials) -> None:
        self._api = api
        self._credentials = credentials
        self._client = RESTClient(
            api.base_url,
            headers={"Accept": "application/json"},
            session=session,
            # Given, so that dlt looks for no configuration of its own in files or the environment.
            config=RuntimeConfiguration(dlthub_telemetry=False),
        )

    def pages(self, place: Place | None = None) -> Iterator[Page]:
        """The pages from a place on, or from the first.

        Raises:
            ServiceError: The service does not answer, or with something that is no page as declared.
        """
        api = self._api
        given = {name: str(value).lower() if isinstance(value, bool) else value for name, value in api.params.items()}
        answers = self._client.paginate(
            place.url if place else api.path,
            params=dict(place.params) if place else {**given, **api.paging.params},
            paginator=self._paginator(place),
            data_selector=_json_path(api.records) if api.records else "$",
            # The session checks the answers; dlt's own check would quote addresses.
            hooks={"response": []},
        )
        is_first = place is None
        for answer in answers:
            body = parse(answer.response)
            page = Page(self._records(body), self._total(body), _next_place(answer))
            if is_first and page.next is None:
                self._require_an_end(body, page)
            is_first = False
            yield page

    def _paginator(self, place: Place | None) -> BasePaginator:
        start = place.params if place else {}
        match self._api.paging:
            case PageNumbers(param=param, first=first):
                page = int(start.get(param, first))
                return PageNumberPaginator(base_page=first, page=page, page_param=param, total_path=None)
            case Offsets(param=param, size=size, size_param=size_param):
                offset = int(start.get(param, 0))
                return _ByWhatArrived(
                    limit=size, offset=offset, offset_param=param, limit_param=size_param, total_path=None
                )
            case Cursors(path=path, param=param):
                return JSONResponseCursorPaginator(cursor_path=_json_path(path), cursor_param=param)
            case NextLinks(path=path):
                return _LinkInBody(self._credentials, _json_path(path))
            case LinkHeaders():
                return _LinkInHeader(self._credentials)
            case OnePage():
                return SinglePagePaginator()

    def _records(self, body: Any) -> list[Any]:
        path = self._api.records
        found = jsonpath.find_values(_json_path(path), body) if path else [body]
        if not found:
            raise ServiceError(f"a page has no '{path}'; it has {_described(body)}")
        # Some services write an empty list as null.
        records = [] if found[0] is None and path else found[0]
        if not isinstance(records, list):
            where = f"'{path}' of a page" if path else "a page"
            raise ServiceError(f"{where} is no list of records; it is {_described(records)}: see `records`")
        return records

    def _total(self, body: Any) -> int | None:
        path = self._api.total
        if path is None:
            return None
        found = jsonpath.find_values(_json_path(path), body)
        try:
            return int(str(found[0]))
        except (ValueError, IndexError):
            raise ServiceError(f"a page has no number of records in all under '{path}': see `total`") from None

    def _require_an_end(self, body: Any, page: Page) -> None:
        """A first page without a next one ends the catalog only where something says so; a misspelt path says nothing.

        Raises:
            ServiceError: The catalog may well go on.
        """
        paging = self._api.paging
        is_short = paging.size is not None and len(page.records) < paging.size
        if is_short or page.total is not None:
            return
        if isinstance(paging, LinkHeaders):
            raise ServiceError(
                "the first page has no header `Link` that leads on; declare `total`, or a `paging.size` that the page "
                "stays below, if it is the whole catalog"
            )
        if isinstance(paging, NextLinks | Cursors) and not jsonpath.find_values(_json_path(paging.path), body):
            raise ServiceError(
                f"the first page has no '{paging.path}'; it has {_described(body)}. Mend `paging.path`; or declare "
                "`total`, or a `paging.size` that the page stays below, if it is the whole catalog"
            )


class _ByWhatArrived(OffsetPaginator):
    """Goes on after the records that arrived: a service may give fewer than it was asked for."""

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        self.value_step = len(data or ())
        super().update_state(response, data)


class _LinkInBody(JSONLinkPaginator):
    def __init__(self, credentials: Credentials, path: str) -> None:
        super().__init__(path)
        self._credentials = credentials

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        super().update_state(response, data)
        self._next_reference = _safe_link(self._next_reference, response, self._credentials)


class _LinkInHeader(HeaderLinkPaginator):
    def __init__(self, credentials: Credentials) -> None:
        super().__init__()
        self._credentials = credentials

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        super().update_state(response, data)
        self._next_reference = _safe_link(self._next_reference, response, self._credentials)


def _next_place(answer: PageData[Any]) -> Place | None:
    """Where dlt will go on."""
    if not answer.paginator.has_next_page:
        return None
    try:
        return Place(url=answer.request.url, params=answer.request.params or {})
    except ValidationError:
        raise ServiceError("the mark of the next page is neither text nor a number: see `paging`") from None


def _safe_link(link: Any, response: Response, credentials: Credentials) -> str | None:
    """The absolute address of the next page, without the secret that a service may repeat in it; None where none is.

    Raises:
        ServiceError: It leads to another host, which must not get the secret, or nowhere.
    """
    if not link:
        return None
    try:
        here, there = urlsplit(response.url), urlsplit(urljoin(response.url, link))
        is_same = _host(here) == _host(there)
    except (ValueError, TypeError, AttributeError):
        raise ServiceError("what should be the address of the next page is none: see `paging`") from None
    if not is_same:
        raise ServiceError(
            f"the next page is said to be at {there.scheme}://{there.hostname}, and this one is at "
            f"{here.scheme}://{here.hostname}; a fetch stays where it began"
        )
    query: str = there.query
    if secret := credentials.query_parameter:
        query = "&".join(part for part in query.split("&") if not unquote(part).startswith(f"{secret}="))
    address: str = urlunsplit((there.scheme, there.netloc, there.path, query, ""))
    if credentials.are_in(address) or credentials.are_in(unquote_plus(address)):
        raise ServiceError(f"the address of the next page repeats the value of {credentials.variables}")
    return address


def _host(address: SplitResult) -> tuple[str, str | None, int | None]:
    return address.scheme, address.hostname, address.port or {"http": 80, "https": 443}.get(address.scheme)


def _json_path(keys: str) -> str:
    """A dotted path as dlt writes it; each key is quoted, for it may be anything."""
    return ".".join("'" + key.replace("\\", "\\\\").replace("'", "\\'") + "'" for key in keys.split("."))


def _described(value: Any) -> str:
    """What a JSON value is, by its keys and not by its contents."""
    if isinstance(value, dict):
        return "an object with " + (", ".join(sorted(map(str, value))[:20]) or "nothing in it")
    return {list: "a list", str: "text", type(None): "null"}.get(type(value), "a plain value")
