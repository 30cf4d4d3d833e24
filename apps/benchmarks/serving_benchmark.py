"""The benchmark of inference: one basket in this process, then many clients of the real service."""

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

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict

from apps.benchmarks.pipeline_benchmark import machine_facts
from apps.recommendation_queries import Storefront
from warehouse.errors import RecomartError
from warehouse.settings import PROJECT_ROOT, Settings

BASKET = 20
TOP = 10
BASKETS = 300
"""Baskets that are timed in this process."""

POOL = 500
"""Different requests of a kind; they are drawn before the clock starts."""

START_SECONDS = 120
LIMIT_MS = 20.0

Request = tuple[str, str, str | None]
"""Method, path, body."""


class Latency(BaseModel):
    """How long answers took."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    asked: str
    answers: int
    errors: int
    """Answers with another status than 200, and none at all."""

    p50_ms: float
    p99_ms: float
    per_second: float


class ServingBench(BaseModel):
    """All that one run of the benchmark measured."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    machine: dict[str, str | int | float]
    products: int
    factors: int
    load_seconds: float
    """Seconds to read the model, check its files, and be ready for the first question."""

    in_process: Latency
    """Fold-in of a basket and its best products, one after the other, on one thread."""

    clients: int
    start_seconds: float
    """Seconds from the start of the service's process to its first answer."""

    over_http: list[Latency]
    """What the clients waited, together."""

    first_error: str | None

    @property
    def is_met(self) -> bool:
        """Whether one basket takes less than the limit at the median, and no client saw an error."""
        return self.in_process.p50_ms < LIMIT_MS and not any(latency.errors for latency in self.over_http)


def bench_serving(
    settings: Settings, clients: int, seconds: float, on_stage: Callable[[str], None] = lambda _: None
) -> ServingBench:
    """Measure the published copy of a warehouse and its model.

    Raises:
        RecomartError: Nothing is published, no model has been trained, or the service does not start.
    """
    machine = machine_facts() | {"torch": version("torch")}
    torch.set_num_threads(1)
    rng = random.Random(0)
    on_stage("baskets in this process")
    started = time.perf_counter()
    with Storefront(settings) as storefront:
        recommender = storefront.recommender
        products = recommender.products.ids.to_pylist()
        users = recommender.users.ids.to_pylist()
        recommender.recommend(basket=products[:1], n=1)
        load_seconds = time.perf_counter() - started
        factors = recommender.card.config.factors
        in_process = _latency(f"basket of {BASKET}, top {TOP}", *_time_baskets(recommender.recommend, products, rng))
        del recommender
    asked: dict[str, list[Request]] = {
        "a customer's list": [("GET", f"/customers/{rng.choice(users)}/recommendations", None) for _ in range(POOL)],
        f"basket of {BASKET}": [("POST", "/recommendations", _body(rng, products)) for _ in range(POOL)],
        "similar products": [("GET", f"/products/{rng.choice(products)}/similar", None) for _ in range(POOL)],
    }
    over_http, first_error = [], None
    on_stage("starting the service")
    with _service(settings) as (port, start_seconds):
        for name, requests in asked.items():
            on_stage(f"{clients} clients: {name}")
            waited, errors, took = _ask(port, requests, clients, seconds)
            over_http.append(_latency(name, waited, took, len(errors)))
            first_error = first_error or next(iter(errors), None)
    return ServingBench(
        machine=machine,
        products=len(products),
        factors=factors,
        load_seconds=load_seconds,
        in_process=in_process,
        clients=clients,
        start_seconds=start_seconds,
        over_http=over_http,
        first_error=first_error,
    )


def _time_baskets(
    recommend: Callable[..., object], products: list[str], rng: random.Random
) -> tuple[list[float], float]:
    waited = []
    started = time.perf_counter()
    for _ in range(BASKETS):
        basket = rng.sample(products, BASKET)
        began = time.perf_counter()
        recommend(basket=basket, n=TOP)
        waited.append(time.perf_counter() - began)
    return waited, time.perf_counter() - started


def _body(rng: random.Random, products: list[str]) -> str:
    return json.dumps({"basket": [{"product_id": product} for product in rng.sample(products, BASKET)], "n": TOP})


def _latency(asked: str, waited: list[float], took: float, errors: int = 0) -> Latency:
    p50, p99 = np.percentile(waited, [50, 99]) * 1000 if waited else (float("nan"),) * 2
    return Latency(
        asked=asked,
        answers=len(waited),
        errors=errors,
        p50_ms=round(float(p50), 2),
        p99_ms=round(float(p99), 2),
        per_second=round(len(waited) / took, 1),
    )


@contextmanager
def _service(settings: Settings) -> Iterator[tuple[int, float]]:
    """Run `recomart serve` in a process of its own; its port, and the seconds until it answered."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = settings.warehouse / "service.log"
    command = [sys.executable, "-c", "from apps.cli.entry_point import main; main()", "serve", "--port", str(port)]
    started = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=PROJECT_ROOT, env=settings.environment(), stdout=output, stderr=subprocess.STDOUT
        )
    try:
        while not _answers(port):
            if process.poll() is not None or time.perf_counter() - started > START_SECONDS:
                raise RecomartError(f"the service did not start; see {log}")
            time.sleep(0.05)
        yield port, time.perf_counter() - started
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _ask(port: int, requests: list[Request], clients: int, seconds: float) -> tuple[list[float], list[str], float]:
    """Let clients ask as fast as they are answered; what each answer took, what went wrong, and the time in all."""
    waited: list[float] = []
    errors: list[str] = []
    end = time.perf_counter() + seconds

    def client(number: int) -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        rng = random.Random(number)
        while time.perf_counter() < end:
            method, path, body = rng.choice(requests)
            began = time.perf_counter()
            try:
                connection.request(method, path, body, {"content-type": "application/json"})
                response = connection.getresponse()
                text = response.read()
            except (OSError, HTTPException) as error:
                errors.append(f"{method} {path}: {type(error).__name__}: {error}")
                connection.close()
                continue
            waited.append(time.perf_counter() - began)
            if response.status != 200:
                errors.append(f"{method} {path}: {response.status}: {text[:200].decode(errors='replace')}")
        connection.close()

    started = time.perf_counter()
    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return waited, errors, time.perf_counter() - started
