"""What may be better next time is asked again, as late as the service wishes; what will not is an error at once."""

import itertools
import socket
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.warehouse.fetching.catalog_service import (
    RETRY_SETTINGS,
    ApiShop,
    Fault,
    drop_connection,
    hang,
    make_products,
    make_status_fault,
    send_garbage,
    send_partial_body,
)
from warehouse.errors import RecomartError


def list_wait_reasons(api: ApiShop) -> list[str]:
    return [progress.wait_reason for progress in api.progress if progress.wait_reason]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (make_status_fault(429), "returned 429 Too Many Requests"),
        (make_status_fault(500), "returned 500 Internal Server Error"),
        (make_status_fault(503), "returned 503 Service Unavailable"),
        (make_status_fault(599), "returned 599"),
        (send_garbage, "returned a body that is not JSON"),
        (send_partial_body, "incomplete response from"),
        (drop_connection, "RemoteDisconnected"),
        (hang, "no response from"),
    ],
)
def test_trouble_that_passes_costs_another_attempt_and_no_product(api: ApiShop, fault: Fault, reason: str) -> None:
    api.declare("cursor", timeout=0.2 if fault is hang else 5)
    api.service.faults = dict.fromkeys([1, 3, 4, 7], fault)
    fetched = api.fetch()
    assert api.read_fetched() == make_products(35)
    assert fetched.request_count == len(api.service.requested_paths) == 8
    assert len(list_wait_reasons(api)) == 4
    assert all(reason in waiting for waiting in list_wait_reasons(api))


@pytest.mark.parametrize("fault", [make_status_fault(500), send_garbage, send_partial_body, drop_connection])
def test_trouble_that_stays_ends_the_fetch_after_the_declared_attempts(api: ApiShop, fault: Fault) -> None:
    api.service.faults = dict.fromkeys(range(3, 99), fault)
    with pytest.raises(RecomartError, match=r"feeds\.products\.api: .* \(4 attempts\)"):
        api.fetch()
    assert len(api.service.requested_paths) == 6
    assert api.list_files() == []


def test_without_retry_after_each_wait_is_twice_as_long_up_to_the_longest(api: ApiShop) -> None:
    moments: list[float] = []
    api.service.on_request = lambda _: moments.append(time.monotonic())
    api.service.faults = dict.fromkeys(range(1, 5), make_status_fault(500))
    api.declare("cursor", retries={"max_attempts": 5, "first_wait": 0.02, "max_wait": 0.1})
    api.fetch()
    gaps = [after - before for before, after in itertools.pairwise(moments[:5])]
    assert all(gap >= least for gap, least in zip(gaps, [0.02, 0.04, 0.08, 0.1], strict=True))


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_respected_in_seconds_and_as_a_date(api: ApiShop, as_date: bool) -> None:
    began: list[datetime] = []
    then = datetime.now(UTC) + timedelta(seconds=2)
    asked_for = format_datetime(then, usegmt=True) if as_date else "1"
    api.service.on_request = lambda _: began.append(datetime.now(UTC))
    api.service.faults[2] = make_status_fault(429, Retry_After=asked_for)
    api.declare("cursor")
    api.fetch()
    assert api.read_fetched() == make_products(35)
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
    api.service.faults[3] = make_status_fault(503, Retry_After=header)
    with pytest.raises(RecomartError, match=r"asks to wait for 3\d\d\d s, longer than retries\.max_wait"):
        api.fetch()
    assert len(api.service.requested_paths) == 3
    assert api.fetch().resumed_page_count == 2
    assert api.read_fetched() == make_products(35)


def test_a_retry_after_that_cannot_be_read_is_no_reason_to_fail(api: ApiShop) -> None:
    api.declare("cursor")
    api.service.faults[1] = make_status_fault(429, Retry_After="soon")
    assert api.fetch().record_count == 35


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (make_status_fault(400), "returned 400 Bad Request. Check `base_url`, `path` and the parameters of `paging`"),
        (make_status_fault(404), "returned 404 Not Found. Check `base_url`"),
        (make_status_fault(410), "returned 410 Gone"),
        (make_status_fault(302, Location="/all"), "returned 302 Found. Redirects are not followed"),
        (make_status_fault(401), "/numbered returned 401 Unauthorized. Declare `auth`"),
        (make_status_fault(403), "403 Forbidden: it may want an `auth`"),
    ],
)
def test_what_will_not_be_better_fails_at_once(api: ApiShop, fault: Fault, message: str) -> None:
    api.service.faults = dict.fromkeys(range(2, 99), fault)
    with pytest.raises(RecomartError) as error:
        api.fetch()
    assert message in str(error.value)
    assert len(api.service.requested_paths) == 2
    assert api.list_files() == []


def test_a_service_that_is_not_there_is_named_with_the_systems_reason(api: ApiShop) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    api.declare("page", base_url=f"http://127.0.0.1:{port}", retries={**RETRY_SETTINGS, "max_attempts": 2})
    with pytest.raises(RecomartError, match=rf"no connection to http://.*:{port}: Connection refused \(2 attempts\)"):
        api.fetch()


def test_the_rate_limit_holds_for_repeated_requests_too(api: ApiShop) -> None:
    moments: list[datetime] = []
    api.service.on_request = lambda _: moments.append(datetime.now(UTC))
    api.service.faults = dict.fromkeys([1, 2], make_status_fault(500))
    api.declare("cursor", requests_per_second=50)
    api.fetch()
    assert len(moments) == 6
    assert moments[-1] - moments[0] >= timedelta(seconds=0.09)
