"""Credentials of a web service: signing of requests, and removal of secrets from messages and logs."""

import logging
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, quote_plus

import simplejson
from dlt.sources.helpers.rest_client.auth import APIKeyAuth, AuthConfigBase, BearerTokenAuth, HttpBasicAuth
from requests import PreparedRequest

from warehouse.errors import RecomartError
from warehouse.settings import read_secret
from warehouse.sources.rest_api import Auth, BasicAuth, BearerAuth, HeaderKeyAuth, QueryKeyAuth

REDACTED = "***"


class ServiceCredentials:
    """The secrets of a service; they are added to a request when it is sent, so that no checkpoint has them.

    Raises:
        RecomartError: A named environment variable has no secret, or one that cannot be sent.
    """

    def __init__(self, auth: Auth | None) -> None:
        self._auth = auth
        self._sign, self._secret_forms = _make_signer(auth)

    def sign(self, request: PreparedRequest) -> PreparedRequest:
        """Return a copy of a request with the secret."""
        signed_request = request.copy()
        return self._sign(signed_request) if self._sign else signed_request

    @property
    def query_parameter(self) -> str | None:
        """Query parameter of the secret, if any; services repeat it in their links."""
        return self._auth.name if isinstance(self._auth, QueryKeyAuth) else None

    @property
    def variable_names(self) -> str:
        """Names of the environment variables for messages; empty without `auth`."""
        return " and ".join(value for field, value in self._auth or () if field.endswith("_env"))

    def appear_in(self, text: str) -> bool:
        """Return whether a text has a secret, as plain text or encoded for a URL or JSON."""
        return any(form in text for form in self._secret_forms)

    def redact(self, text: str) -> str:
        """Replace the secrets in a text."""
        for form in self._secret_forms:
            text = text.replace(form, REDACTED)
        return text

    @contextmanager
    def redact_logs(self) -> Iterator[None]:
        """Redact the secrets in urllib3's log, which has URLs with their query, while the context is open."""

        def redact(record: logging.LogRecord) -> bool:
            record.msg, record.args = self.redact(record.getMessage()), ()
            return True

        logger = logging.getLogger("urllib3.connectionpool")
        logger.addFilter(redact)
        try:
            yield
        finally:
            logger.removeFilter(redact)


def _make_signer(auth: Auth | None) -> tuple[AuthConfigBase | None, list[str]]:
    """Make the request signer; return it with every encoded form of its secrets, the longest first."""
    match auth:
        case None:
            return None, []
        case BearerAuth(token_env=variable):
            secret = _read_header_secret(variable)
            if secret.lower().startswith("bearer "):
                raise RecomartError(
                    f"the environment variable {variable} begins with the word Bearer, which is added automatically. "
                    "Set it to the token alone"
                )
            signer: AuthConfigBase = BearerTokenAuth(token=secret)
            secrets = [secret]
        case HeaderKeyAuth(name=name, key_env=variable):
            secret = _read_header_secret(variable)
            signer, secrets = APIKeyAuth(name=name, api_key=secret, location="header"), [secret]
        case QueryKeyAuth(name=name, key_env=variable):
            secret = read_secret(variable).get_secret_value()
            signer, secrets = APIKeyAuth(name=name, api_key=secret, location="query"), [secret]
        case BasicAuth(user_env=user, password_env=password):
            name = read_secret(user).get_secret_value()
            secret = read_secret(password).get_secret_value()
            signer = HttpBasicAuth(username=name, password=secret)
            secrets = [secret, b64encode(f"{name}:{secret}".encode()).decode()]
    forms = {
        encode(secret) for secret in secrets for encode in (str, quote, _quote_for_query, quote_plus, _escape_for_json)
    }
    return signer, sorted(forms, key=len, reverse=True)


def _read_header_secret(variable: str) -> str:
    secret = read_secret(variable).get_secret_value()
    if not secret.isascii():
        raise RecomartError(
            f"the environment variable {variable} has characters that an HTTP header cannot have. Set it to the secret "
            "alone"
        )
    return secret


def _quote_for_query(secret: str) -> str:
    return quote(secret, safe="")


def _escape_for_json(secret: str) -> str:
    return simplejson.dumps(secret, ensure_ascii=False)[1:-1]
