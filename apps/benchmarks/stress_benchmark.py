"""The stress benchmark: clients with random and hostile requests while new versions are published."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable

import numpy as np
import psutil
from pydantic import BaseModel, ConfigDict

from apps.benchmarks.hostile_requests import REQUESTS, send_health
from apps.benchmarks.measurement import get_machine_info
from apps.benchmarks.serving_benchmark import run_service
from apps.benchmarks.synthetic_model import SyntheticShop, publish_synthetic_shop
from warehouse.settings import Settings

SHOP = SyntheticShop(products=3000, customers=3000, factors=64)

MAX_MEMORY_RATIO = 1.2
ALLOWED_SERVER_ERRORS = frozenset({503})
HEALTH_PAUSE_SECONDS = 0.2


class StressResult(BaseModel):
    """The figures of one benchmark run."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    machine: dict[str, str | int | float]
    client_count: int
    seconds: float
    publication_count: int
    statuses: dict[str, int]
    """Number of responses by status; `none` for connections that were closed without a response."""

    response_count: int
    health_p50_ms: float
    health_max_ms: float
    """Response times of `/health`, asked five times a second meanwhile."""

    idle_mib: int
    """Resident memory of the service before the first request."""

    start_mib: int
    """Resident memory after the warm-up, which sends the same requests for a tenth of the time."""

    max_mib: int
    end_mib: int
    """Resident memory at most, and after the last request."""

    is_running: bool
    """Whether the service still gave an answer at the end."""

    errors: list[str]
    """Requests without an answer in time, and statuses that are not documented."""

    @property
    def is_target_met(self) -> bool:
        """Whether no client got an undocumented error and the memory did not grow."""
        return self.is_running and not self.errors and self.end_mib <= self.start_mib * MAX_MEMORY_RATIO


def run_stress_benchmark(
    settings: Settings,
    client_count: int,
    seconds: float,
    publication_count: int,
    on_stage: Callable[[str], None] = lambda _: None,
) -> StressResult:
    """Send requests from concurrent clients to `recomart serve` on a synthetic shop, and publish it again meanwhile.

    Raises:
        RecomartError: The service does not start.
    """
    on_stage("publish a synthetic shop")
    publish_synthetic_shop(settings, SHOP)
    with run_service(settings) as service:
        process = psutil.Process(service.process_id)
        address = ("127.0.0.1", service.port)
        idle_mib = process.memory_info().rss >> 20
        on_stage("warm up")
        _Load(address, client_count, seconds / 10).run(lambda: None)
        start_mib = process.memory_info().rss >> 20
        load = _Load(address, client_count, seconds)
        sampler = _Sampler(process, address)
        sampler.start()

        def publish_versions() -> None:
            for number in range(publication_count):
                on_stage(f"{client_count} clients; publication {number + 1} of {publication_count}")
                end_seconds = load.start_seconds + seconds * (number + 1) / (publication_count + 1)
                time.sleep(max(0.0, end_seconds - time.monotonic()))
                publish_synthetic_shop(settings, SHOP.model_copy(update={"seed": number + 1}))

        load.run(publish_versions)
        sampler.stop()
        is_running = send_health(address) == 200
        end_mib = process.memory_info().rss >> 20
    undocumented = [
        f"{count} responses with status {status}"
        for status, count in load.statuses.items()
        if status is not None and status >= 500 and status not in ALLOWED_SERVER_ERRORS
    ]
    return StressResult(
        machine=get_machine_info(),
        client_count=client_count,
        seconds=seconds,
        publication_count=publication_count,
        statuses={str(status or "none"): count for status, count in sorted(load.statuses.items(), key=str)},
        response_count=sum(count for status, count in load.statuses.items() if status),
        health_p50_ms=round(float(np.median(sampler.health_seconds)) * 1000, 1),
        health_max_ms=round(max(sampler.health_seconds) * 1000, 1),
        idle_mib=idle_mib,
        start_mib=start_mib,
        max_mib=max(sampler.max_bytes >> 20, end_mib),
        end_mib=end_mib,
        is_running=is_running,
        errors=[*undocumented, *load.errors, *sampler.errors],
    )


class _Load:
    """Clients that send random requests for some seconds."""

    def __init__(self, address: tuple[str, int], client_count: int, seconds: float) -> None:
        self._address = address
        self._seconds = seconds
        self._threads = [
            threading.Thread(target=self._run_client, args=(random.Random(number),)) for number in range(client_count)
        ]
        self.start_seconds = 0.0
        self.statuses: Counter[int | None] = Counter()
        self.errors: list[str] = []

    def run(self, action: Callable[[], None]) -> None:
        """Run the clients, and an action meanwhile."""
        self.start_seconds = time.monotonic()
        for thread in self._threads:
            thread.start()
        action()
        for thread in self._threads:
            thread.join()

    def _run_client(self, rng: random.Random) -> None:
        while time.monotonic() < self.start_seconds + self._seconds:
            send = rng.choice(REQUESTS)
            try:
                self.statuses[send(self._address, rng)] += 1
            except TimeoutError:
                self.errors.append(f"{send.__name__}: no response in time")


class _Sampler(threading.Thread):
    """Samples the memory of the service, and asks for its health."""

    def __init__(self, process: psutil.Process, address: tuple[str, int]) -> None:
        super().__init__(daemon=True)
        self._process = process
        self._address = address
        self._done = threading.Event()
        self.max_bytes = 0
        self.health_seconds: list[float] = []
        self.errors: list[str] = []

    def run(self) -> None:
        while not self._done.wait(HEALTH_PAUSE_SECONDS):
            start_seconds = time.monotonic()
            if (status := send_health(self._address)) != 200:
                self.errors.append(f"/health: status {status}")
            self.health_seconds.append(time.monotonic() - start_seconds)
            self.max_bytes = max(self.max_bytes, self._process.memory_info().rss)

    def stop(self) -> None:
        """Stop sampling."""
        self._done.set()
        self.join()
