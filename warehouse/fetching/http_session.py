"""An HTTP session with rate limit and retries, whose errors quote no secrets."""

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
from urllib3.exceptions import HTTPError, InvalidHeader, ReadTimeoutError
from urllib3.util import Retry

from warehouse.errors import RecomartError, TemporaryError
from warehouse.fetching.credentials import ServiceCredentials
from warehouse.sources.rest_api import Api

READ_BYTES = 64 << 10
"""Bytes read at a time."""

MEGABYTE = 1_000_000


class ServiceError(RecomartError):
    """The service does not return the requested page; the pages so far are kept, and the next fetch resumes there."""


class ServiceUnavailableError(ServiceError, TemporaryError):
    """The service does not respond, or asks to come back later."""


class RequestRefusedError(ServiceError):
    """The service rejects the request, for example because a cursor has expired."""


class _TransientError(ServiceUnavailableError):
    """An error that a retry within the same fetch may solve."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RetryingSession(Session):
    """A session that limits the request rate and retries temporary errors.

    dlt's own session is not used: it retries before a long `Retry-After` is over, adds no random part to its waits, and
    accepts a broken body. Redirects are not followed, because they could send the secret to another host.

    Args:
        api: The service.
        credentials: The credentials that sign each request.
        on_wait: Called with the reason and the seconds of every wait before a retry.
    """

    def __init__(self, api: Api, credentials: ServiceCredentials, on_wait: Callable[[str, float], None]) -> None:
        super().__init__()
        # Without it, requests would use undeclared credentials from ~/.netrc.
        self.auth = lambda request: request
        self.request_count = 0
        self._api = api
        self._credentials = credentials
        self._on_wait = on_wait
        self._next_request_at = 0.0
        self._byte_count = 0
        self._deadline = time.monotonic() + api.limits.minutes * 60

    def send(self, request: PreparedRequest, **kwargs: Any) -> Response:
        """Send a request, with retries; return a response with a complete JSON body.

        Raises:
            ServiceUnavailableError: No attempt succeeds. No message quotes a secret.
            ServiceError: The service refuses the request, or redirects it.
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
            raise ServiceUnavailableError(f"{error} ({retries.max_attempts} attempts)") from None

    def get_redirect_target(self, resp: Response) -> None:
        """Return no target: requests would read the whole body of a redirect to find one."""

    def _send_once(self, request: PreparedRequest, kwargs: dict[str, Any]) -> Response:
        self._limit_rate()
        self.request_count += 1
        options = {**kwargs, "allow_redirects": False, "timeout": self._api.timeout, "stream": True}
        try:
            response = super().send(self._credentials.sign(request), **options)
            with response:
                # With this attribute set, requests takes the body as read.
                response._content = self._read_body(response)
        except (RequestException, HTTPError) as error:
            raise self._convert_error(error) from None
        # The response refers to the unsigned request, so that no other code gets the secret.
        response.request, response.url = request, request.url or ""
        self._check_response(response)
        return response

    def _read_body(self, response: Response) -> bytes:
        """Read the body of a response, part by part as it arrives.

        Raises:
            ServiceError: The body, all bodies or the time exceed a limit.
        """
        limits, body = self._api.limits, bytearray()
        while part := response.raw.read1(READ_BYTES, decode_content=True):
            body += part
            self._byte_count += len(part)
            if len(body) > limits.page_mb * MEGABYTE:
                raise ServiceError(
                    f"a page has more than {limits.page_mb:g} MB. Reduce `paging.size`, or raise `limits.page_mb`"
                )
            if self._byte_count > limits.total_mb * MEGABYTE:
                raise ServiceError(
                    f"the pages have more than {limits.total_mb:g} MB. Check `paging`, or raise `limits.total_mb`"
                )
            self._check_time(0)
        return bytes(body)

    def _check_time(self, wait_seconds: float) -> None:
        """Check that the time of the fetch is not over after a wait.

        Raises:
            ServiceError: It is over.
        """
        if time.monotonic() + wait_seconds > self._deadline:
            raise ServiceError(
                f"the fetch takes more than {self._api.limits.minutes:g} minutes. Fetch again, which resumes it, or "
                "raise `limits.minutes`"
            )

    def _limit_rate(self) -> None:
        now = time.monotonic()
        self._check_time(max(0.0, self._next_request_at - now))
        time.sleep(max(0.0, self._next_request_at - now))
        self._next_request_at = max(now, self._next_request_at) + 1 / self._api.requests_per_second

    def _convert_error(self, error: RequestException | HTTPError) -> ServiceError:
        """Convert an error of requests or urllib3, whose text quotes the whole URL, to one without secrets."""
        if isinstance(error, SSLError):
            return ServiceError(f"no secure connection to {self._api.base_url}: {_describe_cause(error)}")
        if isinstance(error, ConnectTimeout):
            return _TransientError(f"no connection to {self._api.base_url} within {self._api.timeout:g} s")
        if isinstance(error, Timeout | ReadTimeoutError):
            return _TransientError(f"no response from {self._api.base_url} within {self._api.timeout:g} s")
        if isinstance(error, ConnectionFailure):
            return _TransientError(f"no connection to {self._api.base_url}: {_describe_cause(error)}")
        # The remaining errors are bodies that are incomplete or cannot be decompressed or decoded.
        return _TransientError(f"incomplete response from {self._api.base_url} ({type(error).__name__})")

    def _check_response(self, response: Response) -> None:
        """Raise a ServiceError for a response that is not a page."""
        status = response.status_code
        url = urlsplit(response.url)._replace(query="").geturl()
        message = f"{url} returned {status} {_get_status_phrase(status)}".rstrip()
        if status == HTTPStatus.TOO_MANY_REQUESTS or status >= 500:
            raise self._make_retry_later_error(message, response.headers.get("Retry-After"))
        if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            variables = self._credentials.variable_names
            hint = f"Check `auth` and the value of {variables}" if variables else "Declare `auth` if it needs one"
            raise ServiceError(f"{message}. {hint}")
        if 300 <= status < 400:
            raise ServiceError(f"{message}. Redirects are not followed. Declare the URL that it redirects to")
        if status >= 400:
            raise RequestRefusedError(f"{message}. Check `base_url`, `path` and the parameters of `paging`")
        try:
            parse_json(response)
        except ValueError as error:
            raise _TransientError(f"{url} returned {error}") from None

    def _make_retry_later_error(self, message: str, retry_after: str | None) -> ServiceError:
        try:
            seconds = Retry().parse_retry_after(retry_after) if retry_after else None
        except (InvalidHeader, OverflowError):
            seconds = None
        max_wait = self._api.retries.max_wait
        if seconds is not None and seconds > max_wait:
            return ServiceUnavailableError(
                f"{message} and requires a wait of {seconds:.0f} s, longer than retries.max_wait ({max_wait:g} s). "
                "Fetch again after that time. The fetch resumes where it stopped"
            )
        return _TransientError(message, seconds)

    def _get_wait_seconds(self, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, _TransientError) and error.retry_after is not None:
            return error.retry_after
        first_wait, max_wait = self._api.retries.first_wait, self._api.retries.max_wait
        return wait_exponential_jitter(multiplier=first_wait, max=max_wait, jitter=first_wait)(state)

    def _report_wait(self, state: RetryCallState) -> None:
        if state.outcome and state.next_action:
            self._check_time(state.next_action.sleep)
            self._on_wait(str(state.outcome.exception()), state.next_action.sleep)


def parse_json(response: Response) -> Any:
    """Parse the body of a response; numbers with a decimal point become decimals, so that writing keeps their digits.

    Raises:
        ValueError: The body is not JSON.
    """
    try:
        return simplejson.loads(response.content.decode("utf-8-sig"), use_decimal=True)
    except (ValueError, ArithmeticError, RecursionError):
        raise ValueError("a body that is not JSON") from None


def _get_status_phrase(status: int) -> str:
    """Return the standard phrase of a status; the service's own phrase could repeat a secret."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _describe_cause(error: BaseException) -> str:
    """Return the operating system's message of a failed connection, without the URL that the outer errors quote."""
    chain = [error]
    while (inner := _get_inner_error(chain[-1])) and inner not in chain:
        chain.append(inner)
    messages = [item.strerror for item in reversed(chain) if isinstance(item, OSError) and item.strerror]
    return messages[0] if messages else type(chain[-1]).__name__


def _get_inner_error(error: BaseException) -> BaseException | None:
    """Return the error that an error of urllib3 or requests wraps."""
    candidates = (getattr(error, "reason", None), *error.args, error.__cause__, error.__context__)
    return next((item for item in candidates if isinstance(item, BaseException)), None)
