"""A session that asks politely, waits when told to, and says what went wrong without quoting anybody."""

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import simplejson
from requests import PreparedRequest, Response, Session
from requests.exceptions import ConnectionError as ConnectionFailure
from requests.exceptions import ConnectTimeout, RequestException, SSLError, Timeout
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from warehouse.errors import RecomartError
from warehouse.fetching.credentials import ServiceCredentials
from warehouse.sources.rest_api import Api


class ServiceError(RecomartError):
    """The service cannot or will not answer; what was read so far is kept, and the next fetch goes on from there."""


class RequestRefusedError(ServiceError):
    """The service understood the request and refuses it, as it does when it no longer knows a cursor."""


class _TransientError(ServiceError):
    """An answer that may be better next time."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RetryingSession(Session):
    """A session whose requests keep to the service's rate limit and are repeated while that may help.

    dlt's own session repeats requests, too, but asks again before a long `Retry-After` is over, adds nothing random to
    its waits, and takes a broken body for an answer. Redirects are not followed: they could carry the secret to another
    host.

    Args:
        api: The service.
        credentials: How to sign in.
        on_wait: Told the reason and the seconds of every wait before another attempt.
    """

    def __init__(self, api: Api, credentials: ServiceCredentials, on_wait: Callable[[str, float], None]) -> None:
        super().__init__()
        # Or else requests would look for credentials in ~/.netrc, which nobody declared.
        self.auth = lambda request: request
        self.request_count = 0
        self._api = api
        self._credentials = credentials
        self._on_wait = on_wait
        self._next_request_at = 0.0

    def send(self, request: PreparedRequest, **kwargs: Any) -> Response:
        """Send a request, again and again if need be; the body is complete JSON.

        Raises:
            ServiceError: There is no such answer; the message tells no secret.
        """
        retries = self._api.retries
        attempts = Retrying(
            retry=retry_if_exception_type(_TransientError),
            wait=self._get_wait_seconds,
            stop=stop_after_attempt(retries.max_attempts),
            before_sleep=self._report_wait,
            reraise=True,
        )
        try:
            return attempts(self._send_once, request, kwargs)
        except _TransientError as error:
            raise ServiceError(f"{error} ({retries.max_attempts} attempts)") from None

    def _send_once(self, request: PreparedRequest, kwargs: dict[str, Any]) -> Response:
        self._limit_rate()
        self.request_count += 1
        options = {**kwargs, "allow_redirects": False, "timeout": self._api.timeout}
        try:
            response = super().send(self._credentials.sign(request), **options)
        except RequestException as error:
            raise self._convert_error(error) from None
        # Whoever looks at the answer sees the request as it was before it was signed.
        response.request, response.url = request, request.url or ""
        self._check_response(response)
        return response

    def _limit_rate(self) -> None:
        now = time.monotonic()
        time.sleep(max(0.0, self._next_request_at - now))
        self._next_request_at = max(now, self._next_request_at) + 1 / self._api.requests_per_second

    def _convert_error(self, error: RequestException) -> ServiceError:
        """The error to show for one of requests', whose text quotes the whole address."""
        if isinstance(error, SSLError):
            return ServiceError(f"no safe connection to {self._api.base_url}: {_describe_cause(error)}")
        if isinstance(error, ConnectTimeout):
            return _TransientError(f"no connection to {self._api.base_url} within {self._api.timeout:g} s")
        if isinstance(error, Timeout):
            return _TransientError(f"no answer from {self._api.base_url} within {self._api.timeout:g} s")
        if isinstance(error, ConnectionFailure):
            return _TransientError(f"no connection to {self._api.base_url}: {_describe_cause(error)}")
        # What is left are bodies that break off, or that cannot be decompressed or told apart.
        return _TransientError(f"the answer of {self._api.base_url} broke off ({type(error).__name__})")

    def _check_response(self, response: Response) -> None:
        """Refuse an answer that is no page; raises ServiceError."""
        status = response.status_code
        address = urlsplit(response.url)._replace(query="").geturl()
        said = f"{address} answered {status} {_get_status_phrase(status)}".rstrip()
        if status == HTTPStatus.TOO_MANY_REQUESTS or status >= 500:
            raise self._make_retry_later_error(said, response.headers.get("Retry-After"))
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            variables = self._credentials.variable_names
            hint = f"look at what {variables} should hold, and at `auth`" if variables else "it may want an `auth`"
            raise ServiceError(f"{said}: {hint}")
        if 300 <= status < 400:
            raise ServiceError(f"{said}: redirects are not followed; declare the address that it leads to")
        if status >= 400:
            raise RequestRefusedError(f"{said}: look at `base_url`, `path` and the parameters of `paging`")
        try:
            parse_json(response)
        except ValueError as error:
            raise _TransientError(f"{address} answered with {error}") from None

    def _make_retry_later_error(self, message: str, retry_after: str | None) -> ServiceError:
        try:
            seconds = Retry().parse_retry_after(retry_after) if retry_after else None
        except (InvalidHeader, OverflowError):
            seconds = None
        longest = self._api.retries.max_wait
        if seconds is not None and seconds > longest:
            return ServiceError(
                f"{message} and asks to wait for {seconds:.0f} s, longer than retries.max_wait ({longest:g} s); "
                "fetch again then, and it goes on where it stopped"
            )
        return _TransientError(message, seconds)

    def _get_wait_seconds(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, _TransientError) and error.retry_after is not None:
            return error.retry_after
        first, longest = self._api.retries.first_wait, self._api.retries.max_wait
        return wait_exponential_jitter(multiplier=first, max=longest, jitter=first)(state)

    def _report_wait(self, state: RetryCallState) -> None:
        if state.outcome and state.next_action:
            self._on_wait(str(state.outcome.exception()), state.next_action.sleep)


def parse_json(response: Response) -> Any:
    """The body of an answer; numbers with a decimal point are decimals, so that they are written as they were read.

    Raises:
        ValueError: It is no JSON.
    """
    try:
        return simplejson.loads(response.content.decode("utf-8-sig"), use_decimal=True)
    except (ValueError, ArithmeticError, RecursionError):
        raise ValueError("something that is no JSON") from None


def _get_status_phrase(status: int) -> str:
    """The standard's words for a status; the service's own might repeat what it was sent."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _describe_cause(error: BaseException) -> str:
    """What the system says of a failed connection, without the address that the errors around it quote."""
    chain = [error]
    while (inner := _get_inner_error(chain[-1])) and inner not in chain:
        chain.append(inner)
    said = [item.strerror for item in reversed(chain) if isinstance(item, OSError) and item.strerror]
    return said[0] if said else type(chain[-1]).__name__


def _get_inner_error(error: BaseException) -> BaseException | None:
    """The error that an error of urllib3 or requests wraps."""
    candidates = (getattr(error, "reason", None), *error.args, error.__cause__, error.__context__)
    return next((item for item in candidates if isinstance(item, BaseException)), None)
