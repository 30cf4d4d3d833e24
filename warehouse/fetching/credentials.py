"""How to sign in, by dlt's authenticators, and how to keep the secret out of everything else."""

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
    """The one place that knows the secrets: they enter a request as it is sent, so no checkpoint ever has them.

    Raises:
        RecomartError: An environment variable that is named holds no secret, or none that can be sent.
    """

    def __init__(self, auth: Auth | None) -> None:
        self._auth = auth
        self._sign, self._secret_forms = _make_signer(auth)

    def sign(self, request: PreparedRequest) -> PreparedRequest:
        """A copy of a request that carries the secret."""
        signed = request.copy()
        return self._sign(signed) if self._sign else signed

    @property
    def query_parameter(self) -> str | None:
        """Query parameter that carries the secret, if one does; services repeat it in their links."""
        return self._auth.name if isinstance(self._auth, QueryKeyAuth) else None

    @property
    def variable_names(self) -> str:
        """The environment variables, for messages; empty where no auth is declared."""
        return " and ".join(value for field, value in self._auth or () if field.endswith("_env"))

    def appear_in(self, text: str) -> bool:
        """Whether a text gives a secret away, as it is or as a URL or JSON would write it."""
        return any(form in text for form in self._secret_forms)

    def redact(self, text: str) -> str:
        """A text without the secrets."""
        for form in self._secret_forms:
            text = text.replace(form, REDACTED)
        return text

    @contextmanager
    def redact_logs(self) -> Iterator[None]:
        """While it lasts, urllib3 writes no secret to its log, where it names addresses with their query."""

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
    """What signs requests, and every form of the secrets in it, the longest first."""
    match auth:
        case None:
            return None, []
        case BearerAuth(token_env=variable):
            secret = _read_header_secret(variable)
            if secret.lower().startswith("bearer "):
                raise RecomartError(
                    f"the environment variable {variable} begins with the word Bearer, which is sent before it anyway; "
                    "it should hold the token alone"
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
        write(secret) for secret in secrets for write in (str, quote, _quote_for_query, quote_plus, _escape_for_json)
    }
    return signer, sorted(forms, key=len, reverse=True)


def _read_header_secret(variable: str) -> str:
    secret = read_secret(variable).get_secret_value()
    if not secret.isascii():
        raise RecomartError(f"the environment variable {variable} holds letters that no HTTP header can carry")
    return secret


def _quote_for_query(secret: str) -> str:
    return quote(secret, safe="")


def _escape_for_json(secret: str) -> str:
    return simplejson.dumps(secret, ensure_ascii=False)[1:-1]
