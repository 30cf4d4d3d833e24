"""Figures of the service in Prometheus' text format."""

from datetime import UTC, datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from apps.service.publication_follower import PublicationFollower

UNKNOWN_ROUTE = "unknown"
"""Route of a request whose path no route has, or whose head cannot be read."""


class ServiceMetrics:
    """Requests by route and status, response times, requests in flight, and the state of the publication."""

    def __init__(self) -> None:
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
            "1 if the newest publication cannot be used completely, else 0.",
            registry=self._registry,
        )
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
