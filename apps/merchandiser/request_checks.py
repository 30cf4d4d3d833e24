"""Checks of each request to the app, and security headers of each response."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CLOSED_PATHS = ("/_stcore/metrics", "/_stcore/upload_file", "/_stcore/agent")
"""Streamlit's pages that the app does not use; each client that reaches the port could read or fill them."""

SECURITY_HEADERS = {
    # Streamlit's pages need inline styles, and Vega's charts evaluate their expressions. All else comes from the app.
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'self'",
            "script-src 'self' 'unsafe-inline' 'unsafe-eval'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "worker-src 'self' blob:",
            "base-uri 'self'",
            "form-action 'self'",
            "object-src 'none'",
            "frame-ancestors 'none'",
        )
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    # The address of a page has the id of a customer.
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def build_security_headers(*, is_image_allowed: bool) -> dict[str, str]:
    """Return the headers of each response; with pictures of the catalog, browsers may fetch images of other servers."""
    if not is_image_allowed:
        return SECURITY_HEADERS
    policy = SECURITY_HEADERS["Content-Security-Policy"]
    return {**SECURITY_HEADERS, "Content-Security-Policy": policy.replace("img-src 'self'", "img-src 'self' https:")}


class RequestChecks:
    """ASGI middleware that closes unused paths, refuses web sockets of other sites, and sets the security headers."""

    def __init__(self, app: ASGIApp, *, is_image_allowed: bool = False) -> None:
        self._app = app
        self._headers = build_security_headers(is_image_allowed=is_image_allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a refused request, or pass it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif any(closed in scope["path"] for closed in CLOSED_PATHS):
            await PlainTextResponse("Not found", status_code=404)(scope, receive, send)
        elif not _is_same_site(Headers(scope=scope)):
            await PlainTextResponse("Requests of other sites are not allowed", status_code=403)(scope, receive, send)
        else:
            await self._app(scope, receive, _add_headers(send, self._headers))


def _is_same_site(headers: Headers) -> bool:
    """Return whether the page that sends the request is the app's own.

    Streamlit itself would compare another origin with the addresses of this machine, and ask an outside service for
    them.
    """
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host")


def _add_headers(send: Send, headers: Mapping[str, str]) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(headers)
        await send(message)

    return send_with_headers
