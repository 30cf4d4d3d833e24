"""Random requests to the service, valid and hostile ones, each on a connection of its own."""

import json
import random
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException, HTTPResponse
from urllib.parse import quote

Send = Callable[[tuple[str, int], random.Random], int | None]
"""Sends one request; returns the status of the response, or None when the connection was closed without one."""

TIMEOUT_SECONDS = 30
ODD_IDS = ("", "no body", "../../etc/passwd", "%", "\x00", "🙂" * 50, "' or 1=1 --", "x" * 2000, "a\nb", "<script>")
ODD_VALUES: tuple[object, ...] = (None, True, -1, 0, 1e999, 10**400, "", "x" * 5000, [], {}, [[]], {"a": 1}, "\ud800")


def send_list_request(address: tuple[str, int], rng: random.Random) -> int | None:
    """Ask for lists and explanations of known and unknown customers and products."""
    user, product = f"U{rng.randrange(3000):07d}", f"P{rng.randrange(3000):07d}"
    path = rng.choice(
        [
            f"/customers/{user}/recommendations?n={rng.choice([1, 10, 1000])}",
            f"/customers/{quote(rng.choice(ODD_IDS), safe='')}/recommendations",
            f"/products/{product}/similar",
            f"/customers/{user}/explanations/{product}",
            *("/model", "/metrics", "/openapi.json"),
        ]
    )
    return _exchange(address, _build_get(path))


def send_basket(address: tuple[str, int], rng: random.Random) -> int | None:
    """Send a valid basket."""
    basket = [{"product_id": f"P{rng.randrange(3000):07d}"} for _ in range(rng.choice([0, 1, 20, 1000]))]
    body = {"basket": basket, "n": rng.choice([1, 10, 1000])}
    if rng.random() < 0.3:
        return _exchange(address, _build_post("/explanations", {"basket": basket, "product_id": "P0000001"}))
    return _exchange(address, _build_post("/recommendations", body))


def send_odd_body(address: tuple[str, int], rng: random.Random) -> int | None:
    """Send a body of wrong, huge, deeply nested or random content."""
    body: object = rng.choice(
        [
            rng.randbytes(rng.randrange(3000)),
            b"[" * 200_000,
            {f"{number:x}": 1 for number in range(20_000)},
            {"basket": [{f"{number:x}": 1 for number in range(20_000)}]},
            {"basket": [{"product_id": "p"}] * 20_000},
            {"basket": [{f"{key:x}": 1 for key in range(20)}] * 1000},
            {"basket": [{"product_id": f"{number}" * 200} for number in range(1000)]},
            {"basket": [], "allowed_products": [1] * 100_000, "excluded_products": ["x" * 900] * 500},
            {"basket": [{"product_id": rng.choice(ODD_VALUES), "strength": rng.choice(ODD_VALUES)}]},
            {"basket": rng.choice(ODD_VALUES), "n": rng.choice(ODD_VALUES), "nn": rng.choice(ODD_VALUES)},
            b"x" * rng.choice([1_100_000, 5_000_000]),
        ]
    )
    return _exchange(address, _build_post(rng.choice(["/recommendations", "/explanations"]), body))


def send_odd_head(address: tuple[str, int], rng: random.Random) -> int | None:
    """Send a head that is random, too long, of another host, or of another method."""
    return _exchange(
        address,
        rng.choice(
            [
                rng.randbytes(rng.randrange(1, 3000)) + b"\r\n\r\n",
                _build_get(quote(rng.randbytes(rng.randrange(200)), safe="/?%&=")),
                _build_get("/health?" + "x" * rng.choice([20_000, 1_000_000])),
                b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + b"X-Many: 1\r\n" * 50_000 + b"\r\n",
                b"GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n",
                b"%s /recommendations HTTP/1.1\r\nHost: localhost\r\n\r\n" % rng.choice([b"PUT", b"TRACE", b"BREW"]),
                b"POST /recommendations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
                b"POST /recommendations HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            ]
        ),
    )


def send_half_request(address: tuple[str, int], rng: random.Random) -> int | None:
    """Send the start of a request, wait for up to two seconds, and leave."""
    head = b"POST /recommendations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"
    data = rng.choice([b"", head, head + b"\r\n{"])
    with suppress(OSError), socket.create_connection(address, timeout=TIMEOUT_SECONDS) as connection:
        connection.sendall(data)
        time.sleep(rng.random() * 2)
    return None


def send_burst(address: tuple[str, int], rng: random.Random) -> int | None:
    """Send many requests at once and leave after the first response."""
    return _exchange(address, _build_get("/openapi.json", close=False) * rng.randrange(2, 100))


HOSTILE_REQUESTS: tuple[Send, ...] = (send_odd_body, send_odd_head, send_half_request, send_burst)
REQUESTS: tuple[Send, ...] = (send_list_request, send_list_request, send_basket, send_basket, *HOSTILE_REQUESTS)


def send_health(address: tuple[str, int]) -> int | None:
    """Ask for the health."""
    return _exchange(address, _build_get("/health"))


def _build_get(path: str, *, close: bool = True) -> bytes:
    connection = "close" if close else "keep-alive"
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: {connection}\r\n\r\n".encode()


def _build_post(path: str, body: object) -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
    return head.encode() + b"Content-Length: %d\r\n\r\n%s" % (len(content), content)


def _exchange(address: tuple[str, int], data: bytes) -> int | None:
    try:
        with socket.create_connection(address, timeout=TIMEOUT_SECONDS) as connection:
            # The service may have refused the request before its end; the response can still be there.
            with suppress(ConnectionError):
                connection.sendall(data)
            response = HTTPResponse(connection)
            response.begin()
            response.read()
            return response.status
    except TimeoutError:
        raise
    except (OSError, HTTPException):
        return None
