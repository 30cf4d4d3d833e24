"""The pages of a service; dlt's REST client builds the requests and implements the paging styles."""

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
    """URL and query parameters of a page, without secrets."""

    url: str
    params: dict[str, str | int | float]


class Page(NamedTuple):
    """One page of a service."""

    records: list[Any]
    """The values in the list of records, of any JSON type."""

    total: int | None
    """The total number of records that the page declares."""

    next_location: PageLocation | None
    """None after the last page."""


class ServiceClient:
    """Reads the pages of a service with one session."""

    def __init__(self, api: Api, session: RetryingSession, credentials: ServiceCredentials) -> None:
        self._api = api
        self._credentials = credentials
        self._client = RESTClient(
            api.base_url,
            headers={"Accept": "application/json"},
            session=session,
            # Set so that dlt reads no configuration from files or the environment.
            config=RuntimeConfiguration(dlthub_telemetry=False),
        )

    def read_pages(self, start: PageLocation | None = None) -> Iterator[Page]:
        """Yield the pages from a location on, or from the first page.

        Raises:
            ServiceError: The service does not respond, or a response is not a page as declared.
        """
        api = self._api
        params = {name: str(value).lower() if isinstance(value, bool) else value for name, value in api.params.items()}
        responses = self._client.paginate(
            start.url if start else api.path,
            params=dict(start.params) if start else {**params, **api.paging.first_page_params},
            paginator=self._make_paginator(start),
            data_selector=_build_json_path(api.records) if api.records else "$",
            # The session checks the responses; the messages of dlt's own check would quote URLs.
            hooks={"response": []},
        )
        is_first = start is None
        for page_data in responses:
            body = parse_json(page_data.response)
            page = Page(self._extract_records(body), self._extract_total(body), _get_next_location(page_data))
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
        values = jsonpath.find_values(_build_json_path(path), body) if path else [body]
        if not values:
            raise ServiceError(f"a page has no '{path}'; it is {_describe_value(body)}. Correct `records`")
        # Some services write an empty list as null.
        records = [] if values[0] is None and path else values[0]
        if not isinstance(records, list):
            location = f"'{path}' of a page" if path else "a page"
            raise ServiceError(
                f"{location} is not a list of records; it is {_describe_value(records)}. Correct `records`"
            )
        return records

    def _extract_total(self, body: Any) -> int | None:
        path = self._api.total
        if path is None:
            return None
        values = jsonpath.find_values(_build_json_path(path), body)
        try:
            return int(str(values[0]))
        except (ValueError, IndexError):
            raise ServiceError(f"a page has no total number of records under '{path}'. Correct `total`") from None

    def _check_single_page(self, body: Any, page: Page) -> None:
        """Check that a first page without a next page is the whole catalog, and not the result of a misspelt path.

        Raises:
            ServiceError: The catalog may have more pages.
        """
        paging = self._api.paging
        is_short = paging.size is not None and len(page.records) < paging.size
        if is_short or page.total is not None:
            return
        if isinstance(paging, LinkHeaderPaging):
            raise ServiceError(
                'the first page has no header `Link` with rel="next". If it is the whole catalog, declare `total` or a '
                "`paging.size` above its number of records"
            )
        if isinstance(paging, NextLinkPaging | CursorPaging) and not jsonpath.find_values(
            _build_json_path(paging.path), body
        ):
            raise ServiceError(
                f"the first page has no '{paging.path}'; it is {_describe_value(body)}. Correct `paging.path`; if the "
                "page is the whole catalog, declare `total`, or a `paging.size` above its number of records"
            )


class _ReceivedCountPaginator(OffsetPaginator):
    """Advances the offset by the number of records received, which can be less than the page size."""

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
    """Return the location of the page that dlt requests next."""
    if not page_data.paginator.has_next_page:
        return None
    try:
        return PageLocation(url=page_data.request.url, params=page_data.request.params or {})
    except ValidationError:
        raise ServiceError("the cursor of the next page is not a text or number. Correct `paging`") from None


def _resolve_link(link: Any, response: Response, credentials: ServiceCredentials) -> str | None:
    """Return the absolute URL of the next page, without the secret that a service may repeat in it, or None.

    Raises:
        ServiceError: The link is not a URL, or leads to another host, which must not get the secret.
    """
    if not link:
        return None
    try:
        current_url, next_url = urlsplit(response.url), urlsplit(urljoin(response.url, link))
        is_same_host = _get_host(current_url) == _get_host(next_url)
    except (ValueError, TypeError, AttributeError):
        raise ServiceError("the link to the next page is not a URL. Correct `paging`") from None
    if not is_same_host:
        raise ServiceError(
            f"the link to the next page leads to {next_url.scheme}://{next_url.hostname}, but the current page is at "
            f"{current_url.scheme}://{current_url.hostname}. Links to another host are not followed"
        )
    query: str = next_url.query
    if parameter := credentials.query_parameter:
        query = "&".join(part for part in query.split("&") if not unquote(part).startswith(f"{parameter}="))
    url: str = urlunsplit((next_url.scheme, next_url.netloc, next_url.path, query, ""))
    if credentials.appear_in(url) or credentials.appear_in(unquote_plus(url)):
        raise ServiceError(f"the link to the next page repeats the value of {credentials.variable_names}")
    return url


def _get_host(url: SplitResult) -> tuple[str, str | None, int | None]:
    return url.scheme, url.hostname, url.port or {"http": 80, "https": 443}.get(url.scheme)


def _build_json_path(keys: str) -> str:
    """Build dlt's notation of a dotted path; each key is quoted, because it can have any characters."""
    return ".".join("'" + key.replace("\\", "\\\\").replace("'", "\\'") + "'" for key in keys.split("."))


def _describe_value(value: Any) -> str:
    """Describe the type of a JSON value and the keys of an object, without its contents."""
    if isinstance(value, dict):
        return "an object with " + (", ".join(sorted(map(str, value))[:20]) or "no keys")
    return {list: "a list", str: "text", type(None): "null"}.get(type(value), "a plain value")
