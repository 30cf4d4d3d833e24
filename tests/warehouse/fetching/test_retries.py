"""Retries of temporary errors, `Retry-After`, the rate limit, and errors that are not retried."""

import itertools
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.free_port import find_free_port
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
from warehouse.errors import RecomartError, TemporaryError


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
def test_temporary_errors_are_retried(api: ApiShop, fault: Fault, reason: str) -> None:
    api.declare("cursor", timeout=0.2 if fault is hang else 5)
    api.service.faults = dict.fromkeys([1, 3, 4, 7], fault)
    fetched = api.fetch()
    assert api.read_fetched() == make_products(35)
    assert fetched.request_count == len(api.service.requested_paths) == 8
    assert len(list_wait_reasons(api)) == 4
    assert all(reason in wait_reason for wait_reason in list_wait_reasons(api))


@pytest.mark.parametrize("fault", [make_status_fault(500), send_garbage, send_partial_body, drop_connection])
def test_permanent_errors_fail_after_attempts(api: ApiShop, fault: Fault) -> None:
    api.service.faults = dict.fromkeys(range(3, 99), fault)
    with pytest.raises(RecomartError, match=r"feeds\.products\.api: .* \(4 attempts\)"):
        api.fetch()
    assert len(api.service.requested_paths) == 6
    assert api.list_files() == []


def test_waits_double_up_to_max_wait(api: ApiShop) -> None:
    requested_at: list[float] = []
    api.service.on_request = lambda _: requested_at.append(time.monotonic())
    api.service.faults = dict.fromkeys(range(1, 5), make_status_fault(500))
    api.declare("cursor", retries={"max_attempts": 5, "first_wait": 0.02, "max_wait": 0.1})
    api.fetch()
    gaps = [after - before for before, after in itertools.pairwise(requested_at[:5])]
    assert all(gap >= min_gap for gap, min_gap in zip(gaps, [0.02, 0.04, 0.08, 0.1], strict=True))


@pytest.mark.parametrize("is_date", [False, True])
def test_retry_after_is_respected(api: ApiShop, is_date: bool) -> None:
    requested_at: list[datetime] = []
    retry_at = datetime.now(UTC) + timedelta(seconds=2)
    header = format_datetime(retry_at, usegmt=True) if is_date else "1"
    api.service.on_request = lambda _: requested_at.append(datetime.now(UTC))
    api.service.faults[2] = make_status_fault(429, Retry_After=header)
    api.declare("cursor")
    api.fetch()
    assert api.read_fetched() == make_products(35)
    if is_date:
        assert requested_at[2] >= retry_at.replace(microsecond=0)
    else:
        assert requested_at[2] - requested_at[1] >= timedelta(seconds=1)


@pytest.mark.parametrize("is_date", [False, True])
def test_too_long_retry_after_fails(api: ApiShop, is_date: bool) -> None:
    """The fetch fails without another request, and the next fetch resumes it."""
    retry_at = datetime.now(UTC) + timedelta(hours=1)
    header = format_datetime(retry_at, usegmt=True) if is_date else "3600"
    api.declare("cursor")
    api.service.faults[3] = make_status_fault(503, Retry_After=header)
    with pytest.raises(TemporaryError, match=r"requires a wait of 3\d\d\d s, longer than retries\.max_wait"):
        api.fetch()
    assert len(api.service.requested_paths) == 3
    assert api.fetch().resumed_page_count == 2
    assert api.read_fetched() == make_products(35)


def test_invalid_retry_after_is_ignored(api: ApiShop) -> None:
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
        (make_status_fault(403), "403 Forbidden. Declare `auth`"),
    ],
)
def test_client_errors_fail_at_once(api: ApiShop, fault: Fault, message: str) -> None:
    api.service.faults = dict.fromkeys(range(2, 99), fault)
    with pytest.raises(RecomartError) as error:
        api.fetch()
    assert message in str(error.value)
    assert not isinstance(error.value, TemporaryError)
    assert len(api.service.requested_paths) == 2
    assert api.list_files() == []


def test_unreachable_service_error_message(api: ApiShop) -> None:
    port = find_free_port()
    api.declare("page", base_url=f"http://127.0.0.1:{port}", retries={**RETRY_SETTINGS, "max_attempts": 2})
    with pytest.raises(TemporaryError, match=rf"no connection to http://.*:{port}: Connection refused \(2 attempts\)"):
        api.fetch()


def test_rate_limit_includes_retries(api: ApiShop) -> None:
    requested_at: list[datetime] = []
    api.service.on_request = lambda _: requested_at.append(datetime.now(UTC))
    api.service.faults = dict.fromkeys([1, 2], make_status_fault(500))
    api.declare("cursor", requests_per_second=50)
    api.fetch()
    assert len(requested_at) == 6
    assert requested_at[-1] - requested_at[0] >= timedelta(seconds=0.09)
