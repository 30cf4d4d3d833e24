"""The outermost layer of the service: access, limits, security headers, access log and metrics of every request."""

import asyncio
import logging
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from fastapi.routing import RouteContext
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from apps.service.api_keys import ApiKeyReader, KeyScope
from apps.service.problems import build_problem_response, log_cause
from apps.service.service_metrics import UNKNOWN_ROUTE, ServiceMetrics
from warehouse.errors import RecomartError
from warehouse.formatting import format_count
from warehouse.hosts import has_matching_pattern, parse_ip_address
from warehouse.settings import Settings

ACCESS_LOG = logging.getLogger("recomart.access")

OPEN_ROUTES = frozenset({"/health"})
"""Routes that need no key."""

ALWAYS_SERVED_ROUTES = frozenset({"/health", "/metrics"})
"""Routes without the limit of requests in flight; they read nothing but memory."""

SECURITY_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    # A response belongs to one customer and one publication.
    (b"cache-control", b"no-store"),
]

CLIENT_GONE_STATUS = 499
"""Status in log and metrics when the client closed the connection before its response; nginx uses the same number."""


class RequestGuard:
    """An ASGI application that lets through only requests that may be served."""

    def __init__(
        self,
        app: ASGIApp,
        routes: Sequence[RouteContext],
        settings: Settings,
        metrics: ServiceMetrics,
        host: str,
        *,
        requires_keys: bool,
    ) -> None:
        self._app = app
        self._routes = routes
        self._settings = settings
        self._metrics = metrics
        self._keys = ApiKeyReader(settings) if requires_keys else None
        self._trusted_names = {host.lower(), "localhost", *settings.service_trusted_hosts}
        self._active_count = 0
        self._incomplete_body_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start_seconds = time.perf_counter()
        status = CLIENT_GONE_STATUS
        route = self._find_route(scope)
        key_name = None

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *SECURITY_HEADERS]
            await send(message)

        try:
            with self._metrics.in_flight.track_inprogress():
                try:
                    headers = Headers(scope=scope)
                    self._check_host(headers)
                    self._check_head_size(scope)
                    key_name = self._check_key(headers, route)
                    body = await self._read_body(headers, receive)
                    if body is not None:
                        await self._serve(scope, _replay(body, receive), send_with_headers, route)
                except HTTPException as error:
                    response = build_problem_response(error.status_code, error.detail)
                    response.headers.update(error.headers or {})
                    await response(scope, receive, send_with_headers)
        finally:
            seconds = time.perf_counter() - start_seconds
            self._metrics.observe(route, status, seconds)
            target = _get_target(scope) if self._settings.service_log_ids else route
            key = f" key={key_name}" if key_name else ""
            ACCESS_LOG.info("%s %s %d %.1f ms%s", scope["method"], target, status, seconds * 1000, key)

    def _find_route(self, scope: Scope) -> str:
        """Return the path template of the request's route."""
        for route in self._routes:
            if route.original_route.matches(scope)[0] is not Match.NONE:
                return route.path_format or UNKNOWN_ROUTE
        return UNKNOWN_ROUTE

    def _check_host(self, headers: Headers) -> None:
        host = headers.get("host")
        # Programs that do not send the header, such as load balancers with HTTP 1.0, are no browsers.
        if host is None:
            return
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            name = ""
        # In DNS rebinding, the browser sends the attacker's host name, never an address.
        if not has_matching_pattern(name, self._trusted_names) and parse_ip_address(name) is None:
            raise HTTPException(421, "the host name of the request is not trusted. See RECOMART_SERVICE_TRUSTED_HOSTS")

    def _check_head_size(self, scope: Scope) -> None:
        # The parser stops longer heads, but not exactly: it checks a head only when it waits for the rest.
        header_bytes = sum(len(name) + len(value) + 4 for name, value in scope["headers"])
        if header_bytes + len(_get_target(scope)) > self._settings.service_max_header_bytes:
            limit = self._settings.service_max_header_bytes
            raise HTTPException(431, f"request line and headers must have at most {format_count(limit, 'byte')}")

    def _check_key(self, headers: Headers, route: str) -> str | None:
        """Return the name of the request's key; None when no key is required."""
        if self._keys is None or route in OPEN_ROUTES:
            return None
        scheme, _, key = headers.get("authorization", "").partition(" ")
        try:
            entry = self._keys.find(key.strip()) if scheme.lower() == "bearer" else None
        except RecomartError as error:
            log_cause(error)
            raise HTTPException(503, "the API keys cannot be read. See the log of the service") from None
        if entry is None:
            raise HTTPException(
                401,
                "the API key is missing, unknown or expired. Send it in the header `Authorization: Bearer KEY`",
                {"www-authenticate": "Bearer"},
            )
        scope = KeyScope.METRICS if route == "/metrics" else KeyScope.RECOMMENDATIONS
        if scope not in entry.scopes:
            raise HTTPException(403, f"the API key does not have the scope `{scope}`")
        return entry.name

    async def _read_body(self, headers: Headers, receive: Receive) -> bytes | None:
        """Read the body within the limits of size and time; None when the client has gone."""
        max_bytes = self._settings.service_max_body_bytes
        body = bytearray()
        try:
            async with asyncio.timeout(self._settings.service_transfer_seconds):
                # The parser has refused a header that is no number.
                announced_bytes = int(headers.get("content-length", 0))
                while max(announced_bytes, len(body)) <= max_bytes:
                    # Incomplete bodies hold no place among the requests in flight, or slow clients could fill them all.
                    if self._incomplete_body_bytes > max_bytes * self._settings.service_max_requests:
                        raise HTTPException(429, "too many requests with large bodies. Try again", {"retry-after": "1"})
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    chunk = message.get("body", b"")
                    body += chunk
                    self._incomplete_body_bytes += len(chunk)
                    if not message.get("more_body", False) and len(body) <= max_bytes:
                        return bytes(body)
                raise HTTPException(413, f"the body must have at most {format_count(max_bytes, 'byte')}")
        except TimeoutError:
            seconds = self._settings.service_transfer_seconds
            raise HTTPException(
                408, f"the body did not arrive within {seconds:g} seconds", {"connection": "close"}
            ) from None
        finally:
            self._incomplete_body_bytes -= len(body)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, route: str) -> None:
        if route in ALWAYS_SERVED_ROUTES:
            await self._app(scope, receive, send)
            return
        if self._active_count >= self._settings.service_max_requests:
            raise HTTPException(429, "too many requests at the same time. Try again", {"retry-after": "1"})
        self._active_count += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._active_count -= 1


def _get_target(scope: Scope) -> str:
    """Return the requested path and query as the client sent them, percent-encoded."""
    query = scope["query_string"].decode("latin-1")
    return str(scope["raw_path"].decode("latin-1")) + (f"?{query}" if query else "")


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that returns the complete body first."""
    is_sent = False

    async def receive_body() -> Message:
        nonlocal is_sent
        if is_sent:
            return await receive()
        is_sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_body
