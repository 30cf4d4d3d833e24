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
from warehouse.sources.rest_api import Auth, Basic, Bearer, KeyInHeader, KeyInQuery

REDACTED = "***"


class Credentials:
    """The one place that knows the secrets: they enter a request as it is sent, so no checkpoint ever has them.

    Raises:
        RecomartError: An environment variable that is named holds no secret, or none that can be sent.
    """

    def __init__(self, auth: Auth | None) -> None:
        self._auth = auth
        self._sign, self._secrets = _signer(auth)

    def sign(self, request: PreparedRequest) -> PreparedRequest:
        """A copy of a request that carries the secret."""
        signed = request.copy()
        return self._sign(signed) if self._sign else signed

    @property
    def query_parameter(self) -> str | None:
        """Query parameter that carries the secret, if one does; services repeat it in their links."""
        return self._auth.name if isinstance(self._auth, KeyInQuery) else None

    @property
    def variables(self) -> str:
        """The environment variables, for messages; empty where no auth is declared."""
        return " and ".join(value for field, value in self._auth or () if field.endswith("_env"))

    def are_in(self, text: str) -> bool:
        """Whether a text gives a secret away, as it is or as a URL or JSON would write it."""
        return any(form in text for form in self._secrets)

    def redact(self, text: str) -> str:
        """A text without the secrets."""
        for form in self._secrets:
            text = text.replace(form, REDACTED)
        return text

    @contextmanager
    def kept_out_of_logs(self) -> Iterator[None]:
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


def _signer(auth: Auth | None) -> tuple[AuthConfigBase | None, list[str]]:
    """What signs requests, and every form of the secrets in it, the longest first."""
    match auth:
        case None:
            return None, []
        case Bearer(token_env=variable):
            secret = _for_header(variable)
            if secret.lower().startswith("bearer "):
                raise RecomartError(
                    f"the environment variable {variable} begins with the word Bearer, which is sent before it anyway; "
                    "it should hold the token alone"
                )
            signer: AuthConfigBase = BearerTokenAuth(token=secret)
            secrets = [secret]
        case KeyInHeader(name=name, key_env=variable):
            secret = _for_header(variable)
            signer, secrets = APIKeyAuth(name=name, api_key=secret, location="header"), [secret]
        case KeyInQuery(name=name, key_env=variable):
            secret = read_secret(variable).get_secret_value()
            signer, secrets = APIKeyAuth(name=name, api_key=secret, location="query"), [secret]
        case Basic(user_env=user, password_env=password):
            name = read_secret(user).get_secret_value()
            secret = read_secret(password).get_secret_value()
            signer = HttpBasicAuth(username=name, password=secret)
            secrets = [secret, b64encode(f"{name}:{secret}".encode()).decode()]
    forms = {write(secret) for secret in secrets for write in (str, quote, _in_query, quote_plus, _in_json)}
    return signer, sorted(forms, key=len, reverse=True)


def _for_header(variable: str) -> str:
    secret = read_secret(variable).get_secret_value()
    if not secret.isascii():
        raise RecomartError(f"the environment variable {variable} holds letters that no HTTP header can carry")
    return secret


def _in_query(secret: str) -> str:
    return quote(secret, safe="")


def _in_json(secret: str) -> str:
    return simplejson.dumps(secret, ensure_ascii=False)[1:-1]
