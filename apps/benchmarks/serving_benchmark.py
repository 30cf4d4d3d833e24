"""The benchmark of serving: single baskets in this process, then concurrent clients of the HTTP service."""

import json
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict

from apps.benchmarks.measurement import get_machine_info
from apps.benchmarks.targets import Target
from apps.recommendations.recommendation_queries import RecommendationQueries
from warehouse.errors import RecomartError
from warehouse.settings import PROJECT_ROOT, Settings

BASKET_SIZE = 20
LIST_LENGTH = 10

TIMED_BASKET_COUNT = 300
"""Baskets timed in this process."""

REQUEST_POOL_SIZE = 500
"""Different requests of each kind, drawn before the measurement."""

TURNS = 5
"""Turns of each of the two services with each kind of request."""

MAX_START_SECONDS = 120
MAX_P50_MS = 20.0
MAX_LOG_COST_SHARE = 0.05

DEFAULT_SECONDS = 10.0
"""Seconds to send requests, for each kind of request; in a shorter time, the cost of the log is lost in noise."""

Request = tuple[str, str, str | None]
"""Method, path, body."""


class Latency(BaseModel):
    """Response times of one kind of request."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    request_kind: str
    response_count: int
    error_count: int
    """Failed requests and responses with another status than 200."""

    p50_ms: float
    p99_ms: float
    responses_per_second: float


class ServingBenchmarkResult(BaseModel):
    """The figures of one benchmark run."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    machine: dict[str, str | int | float]
    products: int
    factors: int
    load_seconds: float
    """Seconds to read the model and check its files, up to the first result."""

    in_process: Latency
    """Recommendations for single baskets, one after another, on one thread."""

    client_count: int
    seconds: float
    """Seconds to send requests, for each kind of request."""

    start_seconds: float
    """Seconds from the start of the service process to its first response."""

    over_http: list[Latency]
    """Response times of all clients by kind of request, with the log of recommendations."""

    over_http_without_log: list[Latency]
    """The same of a service without the log. Both are measured in turns, so that they meet the same machine."""

    first_error: str | None

    @property
    def log_cost_shares(self) -> dict[str, float]:
        """The share of the responses per second that the log costs, by kind of request."""
        return {
            latency.request_kind: 1 - latency.responses_per_second / without_log.responses_per_second
            for latency, without_log in zip(self.over_http, self.over_http_without_log, strict=True)
        }

    @property
    def is_target_met(self) -> bool:
        """Whether no client got an error, and no measured target is missed."""
        has_errors = any(latency.error_count for latency in self.over_http)
        return not has_errors and all(target.is_met is not False for target in self.targets)

    @property
    def targets(self) -> list[Target]:
        """The targets for the median basket, and for the cost of the log if enough requests were sent to measure it."""
        return [
            Target.evaluate("median basket (ms)", self.in_process.p50_ms, MAX_P50_MS),
            *(
                Target.evaluate(
                    f"log cost, {kind}", share, MAX_LOG_COST_SHARE, is_default_size=self.seconds >= DEFAULT_SECONDS
                )
                for kind, share in self.log_cost_shares.items()
            ),
        ]


def run_serving_benchmark(
    settings: Settings, client_count: int, seconds: float, on_stage: Callable[[str], None] = lambda _: None
) -> ServingBenchmarkResult:
    """Measure response times with the published copy of a warehouse and its model.

    Raises:
        RecomartError: Nothing is published, no model has been trained, or the service does not start.
    """
    machine = get_machine_info() | {"torch": version("torch")}
    torch.set_num_threads(1)
    rng = random.Random(0)
    on_stage("baskets in this process")
    start_seconds = time.perf_counter()
    with RecommendationQueries(settings) as queries:
        recommender = queries.recommender
        products = recommender.products.ids.to_pylist()
        users = recommender.users.ids.to_pylist()
        recommender.recommend(basket=products[:1], n=1)
        load_seconds = time.perf_counter() - start_seconds
        factors = recommender.card.config.factors
        in_process = _compute_latency(
            f"basket of {BASKET_SIZE}, top {LIST_LENGTH}", *_time_baskets(recommender.recommend, products, rng)
        )
        del recommender
    requests_by_kind: dict[str, list[Request]] = {
        "customer": [
            ("GET", f"/customers/{rng.choice(users)}/recommendations", None) for _ in range(REQUEST_POOL_SIZE)
        ],
        f"basket of {BASKET_SIZE}": [
            ("POST", "/recommendations", _build_basket_body(rng, products)) for _ in range(REQUEST_POOL_SIZE)
        ],
        "similar products": [
            ("GET", f"/products/{rng.choice(products)}/similar", None) for _ in range(REQUEST_POOL_SIZE)
        ],
    }
    on_stage("service start")
    with (
        # The answers to the benchmark do not belong into the log of the shop.
        TemporaryDirectory(prefix=".benchmark_landing_", dir=settings.warehouse) as landing,
        run_service(settings.model_copy(update={"landing": Path(landing)})) as service,
        run_service(settings.model_copy(update={"service_log_lists": False})) as service_without_log,
    ):
        loads = {
            name: [_HttpLoad(running.port, name, requests, client_count) for running in (service, service_without_log)]
            for name, requests in requests_by_kind.items()
        }
        for name, pair in loads.items():
            on_stage(f"{client_count} clients: {name}")
            for turn in range(2 * TURNS):
                pair[turn % 2].send_requests(seconds / TURNS)
    over_http, over_http_without_log = (
        [pair[number].compute_latency() for pair in loads.values()] for number in range(2)
    )
    errors = [error for pair in loads.values() for load in pair for error in load.errors]
    return ServingBenchmarkResult(
        machine=machine,
        products=len(products),
        factors=factors,
        load_seconds=load_seconds,
        in_process=in_process,
        client_count=client_count,
        seconds=seconds,
        start_seconds=service.start_seconds,
        over_http=over_http,
        over_http_without_log=over_http_without_log,
        first_error=next(iter(errors), None),
    )


def _time_baskets(
    recommend: Callable[..., object], products: list[str], rng: random.Random
) -> tuple[list[float], float]:
    wait_seconds = []
    start_seconds = time.perf_counter()
    for _ in range(TIMED_BASKET_COUNT):
        basket = rng.sample(products, BASKET_SIZE)
        request_start = time.perf_counter()
        recommend(basket=basket, n=LIST_LENGTH)
        wait_seconds.append(time.perf_counter() - request_start)
    return wait_seconds, time.perf_counter() - start_seconds


def _build_basket_body(rng: random.Random, products: list[str]) -> str:
    return json.dumps(
        {"basket": [{"product_id": product} for product in rng.sample(products, BASKET_SIZE)], "n": LIST_LENGTH}
    )


def _compute_latency(
    request_kind: str, wait_seconds: list[float], total_seconds: float, error_count: int = 0
) -> Latency:
    p50, p99 = np.percentile(wait_seconds, [50, 99]) * 1000 if wait_seconds else (float("nan"),) * 2
    return Latency(
        request_kind=request_kind,
        response_count=len(wait_seconds),
        error_count=error_count,
        p50_ms=round(float(p50), 2),
        p99_ms=round(float(p99), 2),
        responses_per_second=round(len(wait_seconds) / total_seconds, 1),
    )


class ServiceProcess(NamedTuple):
    """A running service."""

    process_id: int
    port: int
    start_seconds: float
    """Seconds from the start of the process to its first response."""


@contextmanager
def run_service(settings: Settings) -> Iterator[ServiceProcess]:
    """Run `recomart serve` in a separate process, and yield it when it is ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = settings.warehouse / "service.log"
    command = [sys.executable, "-c", "from apps.cli.entry_point import main; main()", "serve", "--port", str(port)]
    start_seconds = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=PROJECT_ROOT, env=settings.build_environment(), stdout=output, stderr=subprocess.STDOUT
        )
    try:
        while not _is_healthy(port):
            if process.poll() is not None or time.perf_counter() - start_seconds > MAX_START_SECONDS:
                raise RecomartError(f"benchmark failed: serving: the service did not start. See {log}")
            time.sleep(0.05)
        yield ServiceProcess(process.pid, port, time.perf_counter() - start_seconds)
    finally:
        process.terminate()
        process.wait()


def _is_healthy(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


class _HttpLoad:
    """Concurrent clients that send requests of one kind to a service without pauses."""

    def __init__(self, port: int, request_kind: str, requests: list[Request], client_count: int) -> None:
        self.errors: list[str] = []
        self._port = port
        self._request_kind = request_kind
        self._requests = requests
        self._client_count = client_count
        self._wait_seconds: list[float] = []
        self._total_seconds = 0.0

    def send_requests(self, seconds: float) -> None:
        """Send requests for some seconds."""
        start_seconds = time.perf_counter()
        end_seconds = start_seconds + seconds
        threads = [
            threading.Thread(target=self._run_client, args=(random.Random(number), end_seconds))
            for number in range(self._client_count)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._total_seconds += time.perf_counter() - start_seconds

    def compute_latency(self) -> Latency:
        """Return the response times of all requests."""
        return _compute_latency(self._request_kind, self._wait_seconds, self._total_seconds, len(self.errors))

    def _run_client(self, rng: random.Random, end_seconds: float) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=30)
        while time.perf_counter() < end_seconds:
            method, path, body = rng.choice(self._requests)
            request_start = time.perf_counter()
            try:
                connection.request(method, path, body, {"content-type": "application/json"})
                response = connection.getresponse()
                text = response.read()
            except (OSError, HTTPException) as error:
                self.errors.append(f"{method} {path}: {type(error).__name__}: {error}")
                connection.close()
                continue
            self._wait_seconds.append(time.perf_counter() - request_start)
            if response.status != 200:
                self.errors.append(f"{method} {path}: {response.status}: {text[:200].decode(errors='replace')}")
        connection.close()
