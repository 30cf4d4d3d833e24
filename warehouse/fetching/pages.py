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

from warehouse.fetching.credentials import ServiceCredentials
from warehouse.fetching.http_session import RetryingSession, ServiceError, parse_json
from warehouse.sources.rest_api import (
    Api,
    CursorPaging,
    LinkHeaderPaging,
    NextLinkPaging,
    OffsetPaging,
    PageNumberPaging,
    SinglePagePaging,
)


class PageLocation(BaseModel):
    """Where the next page is; never with a secret."""

    url: str
    params: dict[str, str | int | float]


class Page(NamedTuple):
    """One page of a service."""

    records: list[Any]
    """What stands in the list, whatever that is."""

    total: int | None
    """How many records the service says there are in all."""

    next_location: PageLocation | None
    """None after the last page."""


class ServiceClient:
    """A service that is asked for its pages over one session."""

    def __init__(self, api: Api, session: RetryingSession, credentials: ServiceCredentials) -> None:
        self._api = api
        self._credentials = credentials
        self._client = RESTClient(
            api.base_url,
            headers={"Accept": "application/json"},
            session=session,
            # Given, so that dlt looks for no configuration of its own in files or the environment.
            config=RuntimeConfiguration(dlthub_telemetry=False),
        )

    def read_pages(self, start: PageLocation | None = None) -> Iterator[Page]:
        """The pages from a place on, or from the first.

        Raises:
            ServiceError: The service does not answer, or with something that is no page as declared.
        """
        api = self._api
        given = {name: str(value).lower() if isinstance(value, bool) else value for name, value in api.params.items()}
        answers = self._client.paginate(
            start.url if start else api.path,
            params=dict(start.params) if start else {**given, **api.paging.first_page_params},
            paginator=self._make_paginator(start),
            data_selector=_build_json_path(api.records) if api.records else "$",
            # The session checks the answers; dlt's own check would quote addresses.
            hooks={"response": []},
        )
        is_first = start is None
        for answer in answers:
            body = parse_json(answer.response)
            page = Page(self._extract_records(body), self._extract_total(body), _get_next_location(answer))
            if is_first and page.next_location is None:
                self._check_single_page(body, page)
            is_first = False
            yield page

    def _make_paginator(self, location: PageLocation | None) -> BasePaginator:
        start = location.params if location else {}
        match self._api.paging:
            case PageNumberPaging(param=param, first=first):
                page = int(start.get(param, first))
                return PageNumberPaginator(base_page=first, page=page, page_param=param, total_path=None)
            case OffsetPaging(param=param, size=size, size_param=size_param):
                offset = int(start.get(param, 0))
                return _ReceivedCountPaginator(
                    limit=size, offset=offset, offset_param=param, limit_param=size_param, total_path=None
                )
            case CursorPaging(path=path, param=param):
                return JSONResponseCursorPaginator(cursor_path=_build_json_path(path), cursor_param=param)
            case NextLinkPaging(path=path):
                return _BodyLinkPaginator(self._credentials, _build_json_path(path))
            case LinkHeaderPaging():
                return _HeaderLinkPaginator(self._credentials)
            case SinglePagePaging():
                return SinglePagePaginator()

    def _extract_records(self, body: Any) -> list[Any]:
        path = self._api.records
        found = jsonpath.find_values(_build_json_path(path), body) if path else [body]
        if not found:
            raise ServiceError(f"a page has no '{path}'; it has {_describe_value(body)}")
        # Some services write an empty list as null.
        records = [] if found[0] is None and path else found[0]
        if not isinstance(records, list):
            where = f"'{path}' of a page" if path else "a page"
            raise ServiceError(f"{where} is no list of records; it is {_describe_value(records)}: see `records`")
        return records

    def _extract_total(self, body: Any) -> int | None:
        path = self._api.total
        if path is None:
            return None
        found = jsonpath.find_values(_build_json_path(path), body)
        try:
            return int(str(found[0]))
        except (ValueError, IndexError):
            raise ServiceError(f"a page has no number of records in all under '{path}': see `total`") from None

    def _check_single_page(self, body: Any, page: Page) -> None:
        """A first page without a next one ends the catalog only where something says so; a misspelt path says nothing.

        Raises:
            ServiceError: The catalog may well go on.
        """
        paging = self._api.paging
        is_short = paging.size is not None and len(page.records) < paging.size
        if is_short or page.total is not None:
            return
        if isinstance(paging, LinkHeaderPaging):
            raise ServiceError(
                "the first page has no header `Link` that leads on; declare `total`, or a `paging.size` that the page "
                "stays below, if it is the whole catalog"
            )
        if isinstance(paging, NextLinkPaging | CursorPaging) and not jsonpath.find_values(
            _build_json_path(paging.path), body
        ):
            raise ServiceError(
                f"the first page has no '{paging.path}'; it has {_describe_value(body)}. Mend `paging.path`; or declare "
                "`total`, or a `paging.size` that the page stays below, if it is the whole catalog"
            )


class _ReceivedCountPaginator(OffsetPaginator):
    """Goes on after the records that arrived: a service may give fewer than it was asked for."""

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        self.value_step = len(data or ())
        super().update_state(response, data)


class _BodyLinkPaginator(JSONLinkPaginator):
    def __init__(self, credentials: ServiceCredentials, path: str) -> None:
        super().__init__(path)
        self._credentials = credentials

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        super().update_state(response, data)
        self._next_reference = _resolve_link(self._next_reference, response, self._credentials)


class _HeaderLinkPaginator(HeaderLinkPaginator):
    def __init__(self, credentials: ServiceCredentials) -> None:
        super().__init__()
        self._credentials = credentials

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        super().update_state(response, data)
        self._next_reference = _resolve_link(self._next_reference, response, self._credentials)


def _get_next_location(page_data: PageData[Any]) -> PageLocation | None:
    """Where dlt will go on."""
    if not page_data.paginator.has_next_page:
        return None
    try:
        return PageLocation(url=page_data.request.url, params=page_data.request.params or {})
    except ValidationError:
        raise ServiceError("the mark of the next page is neither text nor a number: see `paging`") from None


def _resolve_link(link: Any, response: Response, credentials: ServiceCredentials) -> str | None:
    """The absolute address of the next page, without the secret that a service may repeat in it; None where none is.

    Raises:
        ServiceError: It leads to another host, which must not get the secret, or nowhere.
    """
    if not link:
        return None
    try:
        here, there = urlsplit(response.url), urlsplit(urljoin(response.url, link))
        is_same = _get_host(here) == _get_host(there)
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
    if credentials.appear_in(address) or credentials.appear_in(unquote_plus(address)):
        raise ServiceError(f"the address of the next page repeats the value of {credentials.variable_names}")
    return address


def _get_host(address: SplitResult) -> tuple[str, str | None, int | None]:
    return address.scheme, address.hostname, address.port or {"http": 80, "https": 443}.get(address.scheme)


def _build_json_path(keys: str) -> str:
    """A dotted path as dlt writes it; each key is quoted, for it may be anything."""
    return ".".join("'" + key.replace("\\", "\\\\").replace("'", "\\'") + "'" for key in keys.split("."))


def _describe_value(value: Any) -> str:
    """What a JSON value is, by its keys and not by its contents."""
    if isinstance(value, dict):
        return "an object with " + (", ".join(sorted(map(str, value))[:20]) or "nothing in it")
    return {list: "a list", str: "text", type(None): "null"}.get(type(value), "a plain value")
