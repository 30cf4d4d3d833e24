"""What may be better next time is asked again, as late as the service wishes; what will not is an error at once."""

import itertools
import socket
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.warehouse.fetching.catalog_service import (
    PATIENCE,
    ApiShop,
    Fault,
    broken_off,
    dropped,
    garbage,
    hanging,
    products,
    status,
)
from warehouse.errors import RecomartError


def waits(api: ApiShop) -> list[str]:
    return [progress.waiting for progress in api.progress if progress.waiting]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (status(429), "answered 429 Too Many Requests"),
        (status(500), "answered 500 Internal Server Error"),
        (status(503), "answered 503 Service Unavailable"),
        (status(599), "answered 599"),
        (garbage, "answered with something that is no JSON"),
        (broken_off, "broke off"),
        (dropped, "RemoteDisconnected"),
        (hanging, "no answer from"),
    ],
)
def test_trouble_that_passes_costs_another_attempt_and_no_product(api: ApiShop, fault: Fault, reason: str) -> None:
    api.declare("cursor", timeout=0.2 if fault is hanging else 5)
    api.service.faults = dict.fromkeys([1, 3, 4, 7], fault)
    fetched = api.fetch()
    assert api.fetched() == products(35)
    assert fetched.requests == len(api.service.asked) == 8
    assert len(waits(api)) == 4
    assert all(reason in waiting for waiting in waits(api))


@pytest.mark.parametrize("fault", [status(500), garbage, broken_off, dropped])
def test_trouble_that_stays_ends_the_fetch_after_the_declared_attempts(api: ApiShop, fault: Fault) -> None:
    api.service.faults = dict.fromkeys(range(3, 99), fault)
    with pytest.raises(RecomartError, match=r"feeds\.products\.api: .* \(4 attempts\)"):
        api.fetch()
    assert len(api.service.asked) == 6
    assert api.files() == []


def test_without_retry_after_each_wait_is_twice_as_long_up_to_the_longest(api: ApiShop) -> None:
    moments: list[float] = []
    api.service.on_request = lambda _: moments.append(time.monotonic())
    api.service.faults = dict.fromkeys(range(1, 5), status(500))
    api.declare("cursor", retries={"attempts": 5, "first_wait": 0.02, "longest_wait": 0.1})
    api.fetch()
    gaps = [after - before for before, after in itertools.pairwise(moments[:5])]
    assert all(gap >= least for gap, least in zip(gaps, [0.02, 0.04, 0.08, 0.1], strict=True))


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_respected_in_seconds_and_as_a_date(api: ApiShop, as_date: bool) -> None:
    began: list[datetime] = []
    then = datetime.now(UTC) + timedelta(seconds=2)
    asked_for = format_datetime(then, usegmt=True) if as_date else "1"
    api.service.on_request = lambda _: began.append(datetime.now(UTC))
    api.service.faults[2] = status(429, Retry_After=asked_for)
    api.declare("cursor")
    api.fetch()
    assert api.fetched() == products(35)
    if as_date:
        assert began[2] >= then.replace(microsecond=0)
    else:
        assert began[2] - began[1] >= timedelta(seconds=1)


@pytest.mark.parametrize("as_date", [False, True])
def test_a_service_that_asks_for_too_long_a_wait_is_not_asked_before_and_the_fetch_goes_on_later(
    api: ApiShop, as_date: bool
) -> None:
    then = datetime.now(UTC) + timedelta(hours=1)
    header = format_datetime(then, usegmt=True) if as_date else "3600"
    api.declare("cursor")
    api.service.faults[3] = status(503, Retry_After=header)
    with pytest.raises(RecomartError, match=r"asks to wait for 3\d\d\d s, longer than retries\.longest_wait"):
        api.fetch()
    assert len(api.service.asked) == 3
    assert api.fetch().resumed_pages == 2
    assert api.fetched() == products(35)


def test_a_retry_after_that_cannot_be_read_is_no_reason_to_fail(api: ApiShop) -> None:
    api.declare("cursor")
    api.service.faults[1] = status(429, Retry_After="soon")
    assert api.fetch().records == 35


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (status(400), "answered 400 Bad Request: look at `base_url`, `path` and the parameters of `paging`"),
        (status(404), "answered 404 Not Found: look at `base_url`"),
        (status(410), "answered 410 Gone"),
        (status(302, Location="/all"), "answered 302 Found: redirects are not followed"),
        (status(401), "/numbered answered 401 Unauthorized: it may want an `auth`"),
        (status(403), "403 Forbidden: it may want an `auth`"),
    ],
)
def test_what_will_not_be_better_fails_at_once(api: ApiShop, fault: Fault, message: str) -> None:
    api.service.faults = dict.fromkeys(range(2, 99), fault)
    with pytest.raises(RecomartError) as error:
        api.fetch()
    assert message in str(error.value)
    assert len(api.service.asked) == 2
    assert api.files() == []


def test_a_service_that_is_not_there_is_named_with_the_systems_reason(api: ApiShop) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    api.declare("page", base_url=f"http://127.0.0.1:{port}", retries={**PATIENCE, "attempts": 2})
    with pytest.raises(RecomartError, match=rf"no connection to http://.*:{port}: Connection refused \(2 attempts\)"):
        api.fetch()


def test_the_rate_limit_holds_for_repeated_requests_too(api: ApiShop) -> None:
    moments: list[datetime] = []
    api.service.on_request = lambda _: moments.append(datetime.now(UTC))
    api.service.faults = dict.fromkeys([1, 2], status(500))
    api.declare("cursor", requests_per_second=50)
    api.fetch()
    assert len(moments) == 6
    assert moments[-1] - moments[0] >= timedelta(seconds=0.09)
