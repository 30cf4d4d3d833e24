"""Figures of the service in Prometheus' text format."""

from collections.abc import Iterator
from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from apps.service.publication_follower import PublicationFollower
from apps.service.served_list_log import ServedListLog

UNKNOWN_ROUTE = "unknown"
"""Route of a request whose path no route has, or whose head cannot be read."""


class LogCollector(Collector):
    """Figures of the log of recommendations."""

    def __init__(self, log: ServedListLog) -> None:
        self._log = log

    def collect(self) -> Iterator[Metric]:
        """Yield the figures."""
        yield CounterMetricFamily(
            "recomart_logged_answers", "Answers in the log of recommendations.", value=self._log.written_count
        )
        yield CounterMetricFamily(
            "recomart_lost_answers",
            "Answers that the log of recommendations lacks, because it could not be written.",
            value=self._log.lost_count,
        )
        yield GaugeMetricFamily(
            "recomart_log_failing", "1 if answers cannot be logged, else 0.", value=float(self._log.problem is not None)
        )


class ServiceMetrics:
    """Requests by route and status, response times, requests in flight, and the state of publication and log."""

    def __init__(self, log: ServedListLog) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "recomart_requests", "Responses by route template and status.", ["route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "recomart_request_seconds",
            "Seconds from the head of a request to the end of its response.",
            ["route"],
            registry=self._registry,
        )
        self.in_flight = Gauge("recomart_requests_in_flight", "Requests without a response.", registry=self._registry)
        self._published_age = Gauge(
            "recomart_published_age_seconds",
            "Seconds since the open version was published; NaN without one.",
            registry=self._registry,
        )
        self._degraded = Gauge(
            "recomart_degraded",
            "1 if the newest publication or the merchandising rules cannot be used completely, else 0.",
            registry=self._registry,
        )
        self._registry.register(LogCollector(log))
        ProcessCollector(registry=self._registry)

    def observe(self, route: str, status: int, seconds: float) -> None:
        """Count a response."""
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def build_page(self, follower: PublicationFollower) -> bytes:
        """Return all figures as text."""
        published = follower.published
        age = float("nan") if published is None else (datetime.now(UTC) - published.published_at).total_seconds()
        self._published_age.set(age)
        self._degraded.set(follower.problem is not None)
        return generate_latest(self._registry)
