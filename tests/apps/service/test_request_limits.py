"""Every request has ceilings of size, time and number, and hostile clients do not stop the others."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from threading import Thread

import psutil
import pytest

from apps.service.http_server import raise_file_limit
from tests.apps.service.conftest import ServiceClient, run_service, wait_until
from tests.free_port import find_free_port
from warehouse.settings import PROJECT_ROOT, Settings

pytestmark = pytest.mark.usefixtures("restore_torch_threads")

SLOW_SECONDS = 1.0
"""Time limit of a transfer in these tests."""

HALF_HEAD = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
HALF_BODY = (
    b"POST /recommendations HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: 100\r\n\r\n{"
)


@pytest.fixture(scope="module")
def limited_service(demo_warehouse: Settings) -> Iterator[ServiceClient]:
    """The service with small limits."""
    limits = {
        "service_max_body_bytes": 10_000,
        "service_max_header_bytes": 2000,
        "service_transfer_seconds": SLOW_SECONDS,
    }
    with run_service(demo_warehouse.model_copy(update=limits)) as running:
        yield running


@contextmanager
def open_connection(address: tuple[str, int], data: bytes) -> Iterator[socket.socket]:
    """Connect, and send bytes."""
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall(data)
        yield connection


def read_response(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Read one response."""
    response = HTTPResponse(connection)
    response.begin()
    return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()


def read_problem(connection: socket.socket) -> int:
    """Read one problem and return its status."""
    status, headers, body = read_response(connection)
    assert headers["content-type"] == "application/problem+json"
    assert headers["x-content-type-options"] == "nosniff"
    assert json.loads(body)["status"] == status
    return status


def send_until_closed(connection: socket.socket, data: bytes) -> float:
    """Send the data again and again until the service closes the connection; return the seconds."""
    start_seconds = time.monotonic()
    connection.setblocking(False)
    while time.monotonic() - start_seconds < 30:
        try:
            connection.send(data)
        except BlockingIOError:
            pass
        except ConnectionError:
            break
        time.sleep(0.01)
    return time.monotonic() - start_seconds


@pytest.mark.parametrize("is_chunked", [False, True])
@pytest.mark.parametrize("path", ["/recommendations", "/health", "/no/such/path"])
def test_large_body_gets_413(limited_service: ServiceClient, path: str, is_chunked: bool) -> None:
    chunk = b"x" * 10_000
    head = b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" % path.encode()
    if is_chunked:
        data = head + b"Transfer-Encoding: chunked\r\n\r\n" + b"%x\r\n%s\r\n" % (len(chunk), chunk) * 2
    else:
        data = head + b"Content-Length: 10001\r\n\r\n" + chunk
    with open_connection(limited_service.address, data) as connection:
        assert read_problem(connection) == 413


@pytest.mark.parametrize("chunk_count", [1001, 200_000])
def test_many_chunks_get_413(limited_service: ServiceClient, chunk_count: int) -> None:
    """Each chunk takes time, so a body of short ones would block all other clients."""
    head = b"POST /recommendations HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(limited_service.address, timeout=30) as connection:
        try:
            connection.sendall(head + b"1\r\n \r\n" * chunk_count)
            assert read_problem(connection) == 413
        except ConnectionError:
            # A client that still sends when the connection is closed may lose the response.
            assert chunk_count > 10_000
    assert limited_service.get("/health").elapsed.total_seconds() < 1


def test_client_that_sends_before_it_reads_gets_413(limited_service: ServiceClient) -> None:
    assert limited_service.post_bytes("/recommendations", b" " * 20_000_000).status_code == 413
    assert limited_service.get("/health").status_code == 200


@pytest.mark.parametrize("size", [2100, 200_000, 5_000_000])
def test_large_head_gets_431(limited_service: ServiceClient, size: int) -> None:
    for data in (
        b"GET /health?%s HTTP/1.1\r\nHost: localhost\r\n\r\n" % (b"x" * size),
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Long: %s\r\n\r\n" % (b"x" * size),
        b"GET /health HTTP/1.1\r\nHost: localhost\r\n%s\r\n" % (b"X-Many: 1\r\n" * (size // 11)),
    ):
        with socket.create_connection(limited_service.address, timeout=30) as connection:
            try:
                connection.sendall(data)
                assert read_problem(connection) == 431
            except ConnectionError:
                # A client that still sends when the connection is closed may lose the response.
                assert size > 100_000


@pytest.mark.parametrize(
    "data",
    [HALF_HEAD, HALF_BODY, b"G", b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"],
)
def test_slow_request_gets_408(limited_service: ServiceClient, data: bytes) -> None:
    start_seconds = time.monotonic()
    with open_connection(limited_service.address, data) as connection:
        assert read_problem(connection) == 408
        assert connection.recv(1) == b""
    assert SLOW_SECONDS * 0.9 < time.monotonic() - start_seconds < SLOW_SECONDS + 3


def test_slow_drip_gets_408(limited_service: ServiceClient) -> None:
    """Bytes that keep arriving do not prolong the time."""
    for start in (HALF_HEAD, HALF_BODY):
        with open_connection(limited_service.address, start) as connection:
            start_seconds = time.monotonic()
            connection.setblocking(False)
            while not (response := _receive(connection)):
                connection.send(b"a")
                time.sleep(0.05)
                assert time.monotonic() - start_seconds < SLOW_SECONDS + 3
            assert response.startswith(b"HTTP/1.1 408 ")


def _receive(connection: socket.socket) -> bytes:
    try:
        return connection.recv(10_000)
    except BlockingIOError:
        return b""


def test_silent_connection_is_closed(limited_service: ServiceClient) -> None:
    with open_connection(limited_service.address, b"") as connection:
        assert connection.recv(1) == b""


def test_refused_body_is_discarded_for_limited_time(limited_service: ServiceClient) -> None:
    head = b"POST /recommendations HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n"
    with open_connection(limited_service.address, head) as connection:
        assert send_until_closed(connection, b"x") < SLOW_SECONDS + 3


def test_client_that_does_not_read_is_closed(limited_service: ServiceClient) -> None:
    request = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.create_connection(limited_service.address, timeout=30) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        assert send_until_closed(connection, request) < SLOW_SECONDS + 10


@pytest.mark.parametrize("data", [HALF_HEAD, HALF_BODY], ids=["head", "body"])
def test_thousand_half_sent_requests_delay_no_other(demo_warehouse: Settings, data: bytes) -> None:
    raise_file_limit()
    settings = demo_warehouse.model_copy(update={"service_transfer_seconds": 4.0})
    with run_service(settings) as service, ExitStack() as stack:
        connections = [stack.enter_context(open_connection(service.address, data)) for _ in range(1000)]
        start_seconds = time.monotonic()
        for _ in range(5):
            assert service.get("/health").status_code == 200
            assert service.get("/customers/u00054/recommendations").status_code == 200
            assert service.post("/recommendations", {"basket": [{"product_id": "p00001"}]}).status_code == 200
        assert time.monotonic() - start_seconds < 3
        statuses = {read_problem(connection) for connection in connections}
        assert statuses == {408}


def test_too_many_connections_get_503(demo_warehouse: Settings) -> None:
    settings = demo_warehouse.model_copy(update={"service_max_connections": 3})
    with run_service(settings) as service, ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(open_connection(service.address, HALF_HEAD))
        with open_connection(service.address, b"") as connection:
            status, headers, _ = read_response(connection)
            assert (status, headers["retry-after"]) == (503, "1")


def test_too_many_requests_get_429(demo_warehouse: Settings) -> None:
    """A second request gets 429 while the first is being served; `/health` is always served."""
    settings = demo_warehouse.model_copy(update={"service_max_requests": 1})
    with run_service(settings) as service, ExitStack() as stack:
        request = b"GET /customers/u00054/recommendations?n=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n"
        connections = [stack.enter_context(open_connection(service.address, request)) for _ in range(20)]
        health = stack.enter_context(open_connection(service.address, HALF_HEAD + b"\r\n"))
        responses = [read_response(connection) for connection in connections]
        assert {status for status, *_ in responses} == {200, 429}
        assert {headers["retry-after"] for status, headers, _ in responses if status == 429} == {"1"}
        assert read_response(health)[0] == 200


def test_large_incomplete_bodies_are_limited_together(demo_warehouse: Settings) -> None:
    limits = {"service_max_requests": 1, "service_max_body_bytes": 1000}
    half_body = HALF_BODY.replace(b"100", b"1000") + b"x" * 800
    with run_service(demo_warehouse.model_copy(update=limits)) as service, ExitStack() as stack:
        connections = [stack.enter_context(open_connection(service.address, half_body)) for _ in range(3)]
        assert read_problem(connections[-1]) == 429
        assert service.get("/customers/u00054/recommendations").status_code == 200


@pytest.mark.parametrize(
    ("body", "location"),
    [
        ({"basket": [{f"{number:x}": 1 for number in range(80_000)}]}, "body"),
        ({f"{number:x}": 1 for number in range(80_000)}, "body"),
        ({"basket": [{f"{key:x}": 1 for key in range(20)}] * 1000}, "body.basket.0"),
        ({"basket": [1] * 1000}, "body.basket.0"),
        ({"basket": [{"product_id": "p"}] * 20_000}, "body.basket"),
        (
            {"basket": [], "allowed_products": [1] * 10_000, "excluded_products": [2] * 10_000},
            "body.allowed_products.0",
        ),
        ({"basket": [], "allowed_products": [1] * 300_000}, "body.allowed_products.0"),
        ({"basket": [], "x" * 1_000_000: 1}, "body.xxx"),
    ],
    ids=["item keys", "keys", "keys of many items", "items", "long basket", "ids", "many ids", "long key"],
)
def test_body_with_many_errors_gets_short_422(service: ServiceClient, body: object, location: str) -> None:
    start_seconds = time.monotonic()
    response = service.post("/recommendations", body)
    assert response.status_code == 422
    assert response.json()["errors"][0]["location"].startswith(location)
    assert len(response.json()["errors"]) <= 20
    assert len(response.content) < 10_000
    assert time.monotonic() - start_seconds < 2


@pytest.mark.parametrize("body", [b"[" * 20_000, b'{"basket": [], "n": ' + b"1" * 5000 + b"}", b'{"a": "\xff"}'])
def test_body_that_python_cannot_parse_gets_422(service: ServiceClient, body: bytes) -> None:
    response = service.post_bytes("/recommendations", body)
    assert response.status_code == 422
    assert response.json()["errors"][0]["location"] == "body"


@pytest.mark.parametrize("value", ["[]", "{}", "[[]]"])
def test_many_lists_delay_no_other(service: ServiceClient, value: str) -> None:
    """Bodies of 1 MB of empty lists or objects are refused before they are parsed."""
    count = 1_000_000 // (len(value) + 1)
    body = f'{{"basket": [], "x": [{",".join([value] * count)}]}}'.encode()
    clients = [service.create_client() for _ in range(4)]
    threads = [Thread(target=client.post_bytes, args=("/recommendations", body)) for client in clients]
    for thread in threads:
        thread.start()
    response = service.get("/health")
    for thread in threads:
        thread.join()
    assert (response.status_code, response.elapsed.total_seconds() < 1) == (200, True)
    problem = service.post_bytes("/recommendations", body).json()
    message = "it must have at most 21,000 of the brackets [ and {"
    assert problem["errors"] == [{"location": "body", "message": message}]


def test_large_body_is_accepted(service: ServiceClient) -> None:
    """Ids can have brackets."""
    ids = [f"p[{number}]" for number in range(9_900)]
    body = {"basket": [{"product_id": "p1"}] * 1000, "allowed_products": ids, "excluded_products": ids}
    assert service.post("/recommendations", body).status_code == 200


def test_first_errors_are_listed(service: ServiceClient) -> None:
    unknown_fields = {f"{number}": 1 for number in range(19)}
    body = {"basket": [{"product_id": "p1"} | unknown_fields], "a": 1, "b": 1}
    problem = service.post("/recommendations", body).json()
    assert len(problem["errors"]) == 20
    assert problem["detail"] == "the request is invalid. See `errors` (20 values of 21)"


def test_object_with_too_many_keys_gets_422(service: ServiceClient) -> None:
    item = {"product_id": "p1"} | {f"{number}": 1 for number in range(20)}
    response = service.post("/recommendations", {"basket": [item]})
    assert response.status_code == 422
    assert response.json()["errors"] == [{"location": "body", "message": "an object must have at most 20 keys"}]


def test_long_notes_are_shortened(service: ServiceClient) -> None:
    body = {"basket": [{"product_id": f"{number:04}" + "x" * 900} for number in range(1000)]}
    assert len(service.post("/recommendations", body).content) < 10_000


def test_pipelined_requests_get_all_responses(service: ServiceClient) -> None:
    with open_connection(service.address, (HALF_HEAD + b"\r\n") * 50) as connection:
        connection.settimeout(5)
        content = b""
        while content.count(b"HTTP/1.1 200 OK") < 50:
            content += connection.recv(100_000)


@pytest.mark.parametrize("data", [b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"])
def test_invalid_head_is_a_problem(service: ServiceClient, data: bytes) -> None:
    with open_connection(service.address, data) as connection:
        assert read_problem(connection) == 400


@pytest.mark.parametrize("data", [HALF_HEAD, HALF_BODY], ids=["head", "body"])
def test_sigterm_does_not_wait_for_half_sent_request(demo_warehouse: Settings, tmp_path: Path, data: bytes) -> None:
    with _run_process(demo_warehouse, tmp_path) as (process, address), open_connection(address, data):
        time.sleep(0.3)
        start_seconds = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == -signal.SIGTERM
        assert time.monotonic() - start_seconds < 2


@pytest.mark.slow
def test_million_keys_cost_no_memory(demo_warehouse: Settings, tmp_path: Path) -> None:
    """A basket item with a million unknown keys, 13 MB, is refused while `/health` keeps answering."""
    body = json.dumps({"basket": [{f"unknown{number}": 1 for number in range(1_000_000)}]}).encode()
    with _run_process(demo_warehouse, tmp_path) as (process, address):
        memory = psutil.Process(process.pid).memory_info
        start_bytes = memory().rss
        for _ in range(3):
            client = HTTPConnection(*address, timeout=30)
            client.request("POST", "/recommendations", body, {"content-type": "application/json"})
            assert client.getresponse().status == 413
            client.close()
        assert memory().rss - start_bytes < 50_000_000


@contextmanager
def _run_process(settings: Settings, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], tuple[str, int]]]:
    """Run `recomart serve`; yield the process and its address."""
    address = ("127.0.0.1", find_free_port())
    command = [
        sys.executable,
        "-c",
        "from apps.cli.entry_point import main; main()",
        "serve",
        "--port",
        str(address[1]),
    ]
    environment = settings.build_environment() | {"PYTHONPATH": str(PROJECT_ROOT)}
    with (folder / "service.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        wait_until(lambda: _is_listening(address))
        yield process, address
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()


def _is_listening(address: tuple[str, int]) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(address) == 0
