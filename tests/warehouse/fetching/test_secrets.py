"""Secrets are sent to the service only: messages, logs, tracebacks, checkpoints and files do not have them."""

import logging
import traceback
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, quote_plus, urlsplit

import pytest

from tests.warehouse.fetching.catalog_service import (
    ApiShop,
    CatalogHandler,
    Fault,
    drop_connection,
    hang,
    make_products,
    make_status_fault,
    send_garbage,
    send_partial_body,
)
from warehouse.errors import RecomartError

SECRET = 's3cr3t/"k\\y" &+ü'
PLAIN = "s3cr3t-token/with+signs=="

AUTHS: dict[str, tuple[dict[str, str], str]] = {
    "bearer": ({"type": "bearer", "token_env": "SHOP_SECRET"}, PLAIN),
    "header": ({"type": "header", "name": "X-Key", "key_env": "SHOP_SECRET"}, PLAIN),
    "query": ({"type": "query", "name": "api_key", "key_env": "SHOP_SECRET"}, SECRET),
    "basic": ({"type": "basic", "user_env": "SHOP_USER", "password_env": "SHOP_SECRET"}, SECRET),
}


def find_auth_used(handler: CatalogHandler, secret: str) -> dict[str, bool]:
    """Find which kinds of authentication a request has."""
    keys = parse_qs(urlsplit(handler.path).query).get("api_key")
    basic = "Basic " + b64encode(f"shop:{secret}".encode()).decode()
    return {
        "bearer": handler.headers.get("Authorization") == f"Bearer {secret}",
        "header": handler.headers.get("X-Key") == secret,
        "query": keys == [secret],
        "basic": handler.headers.get("Authorization") == basic,
    }


@pytest.fixture(params=AUTHS)
def auth(request: pytest.FixtureRequest) -> str:
    """A kind of authentication."""
    return str(request.param)


@pytest.fixture
def secret(auth: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The secret, set in the environment."""
    value = AUTHS[auth][1]
    monkeypatch.setenv("SHOP_SECRET", value + "\n")
    monkeypatch.setenv("SHOP_USER", "shop")
    return value


@pytest.fixture
def debug_log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """All logs at level DEBUG."""
    with caplog.at_level(logging.DEBUG):
        yield caplog


def list_secret_forms(secret: str) -> list[str]:
    """List the encoded forms of a secret."""
    forms = [secret, quote(secret), quote(secret, safe=""), quote_plus(secret), secret.replace('"', '\\"')]
    return [*forms, b64encode(f"shop:{secret}".encode()).decode(), "s3cr3t"]


def assert_secret_absent(secret: str, folder: Path, *texts: str) -> None:
    files = [path for path in folder.rglob("*") if path.is_file()]
    all_text = "\n".join([*texts, *(path.read_bytes().decode(errors="replace") for path in files)])
    assert [form for form in list_secret_forms(secret) if form in all_text] == []


@pytest.mark.parametrize("style", ["page", "next_link", "link_header"])
def test_requests_are_signed_without_leak(
    api: ApiShop, auth: str, secret: str, style: str, debug_log: pytest.LogCaptureFixture
) -> None:
    api.service.is_authorized = lambda handler: find_auth_used(handler, secret)[auth]
    if auth == "query":
        api.service.link_suffix = "&api_key=" + quote_plus(secret)
    api.declare(style, auth=AUTHS[auth][0])
    api.fetch()
    assert api.read_fetched() == make_products(35)
    assert "GET /" in debug_log.text
    assert_secret_absent(secret, api.shop.landing.parent, debug_log.text, repr(api.progress))


def echo_in_redirect(handler: CatalogHandler) -> None:
    """Redirect, with the secret in the headers."""
    handler.send_json({}, status=302, headers={"Location": handler.path, "X-Seen": str(handler.headers.get("X-Key"))})


def echo_in_phrase(handler: CatalogHandler) -> None:
    """Return a status line that repeats the URL and the secret."""
    handler.send_response(500, f"no luck with {handler.path} {handler.headers.get('Authorization')}")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def echo_in_retry_after(handler: CatalogHandler) -> None:
    """Return a header that repeats the URL."""
    handler.send_json({}, status=429, headers={"Retry-After": handler.path})


@pytest.mark.parametrize(
    "fault",
    [
        *(
            make_status_fault(401),
            make_status_fault(403),
            make_status_fault(404),
            make_status_fault(500),
            send_garbage,
            send_partial_body,
            drop_connection,
            hang,
        ),
        *(echo_in_redirect, echo_in_phrase, echo_in_retry_after),
    ],
)
def test_errors_have_no_secret(
    api: ApiShop, auth: str, secret: str, fault: Fault, debug_log: pytest.LogCaptureFixture
) -> None:
    api.declare("page", auth=AUTHS[auth][0], timeout=0.05 if fault is hang else 5)
    api.service.faults = dict.fromkeys(range(2, 99), fault)
    with pytest.raises(RecomartError) as error:
        api.fetch()
    trace = "".join(traceback.format_exception(error.value))
    assert_secret_absent(secret, api.shop.landing.parent, str(error.value), trace, debug_log.text, repr(api.progress))


@pytest.mark.parametrize("code", [401, 403])
def test_refusal_names_environment_variable(api: ApiShop, auth: str, secret: str, code: int) -> None:
    assert secret
    api.declare("page", auth=AUTHS[auth][0])
    api.service.faults[1] = make_status_fault(code)
    with pytest.raises(RecomartError, match=rf"returned {code} .*Check `auth` and the value of .*SHOP_SECRET"):
        api.fetch()


def test_record_with_secret_is_not_written(api: ApiShop, auth: str, secret: str) -> None:
    api.service.products[20]["picture"] = f"http://pictures.example/?key={quote_plus(secret)}"
    api.declare("cursor", auth=AUTHS[auth][0])
    with pytest.raises(RecomartError, match=r"a record repeats the value of .*SHOP_SECRET"):
        api.fetch()
    assert_secret_absent(secret, api.shop.landing.parent)


def test_link_with_secret_is_not_followed(api: ApiShop, auth: str, secret: str) -> None:
    api.service.link_suffix = "&session=" + quote_plus(secret)
    api.declare("next_link", auth=AUTHS[auth][0])
    with pytest.raises(RecomartError, match=r"the link to the next page repeats the value of .*SHOP_SECRET"):
        api.fetch()
    assert_secret_absent(secret, api.shop.landing.parent)


def test_link_to_other_host_is_not_followed(api: ApiShop, auth: str, secret: str) -> None:
    page: dict[str, Any] = {
        "data": {"items": make_products(3)},
        "meta": {"next": api.service.url.replace("127.0.0.1", "localhost")},
    }
    api.service.faults[1] = lambda handler: handler.send_json(page)
    api.declare("next_link", auth=AUTHS[auth][0])
    with pytest.raises(RecomartError, match="Links to another host are not followed"):
        api.fetch()
    assert len(api.service.requested_paths) == 1
    assert secret


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "the environment variable SHOP_SECRET is not set"),
        (" ", "the environment variable SHOP_SECRET is not set"),
        ("s3cr3t\nX-Evil: 1", "the environment variable SHOP_SECRET has line ends or control characters"),
        ("Bearer s3cr3t", "SHOP_SECRET begins with the word Bearer, which is added automatically"),
        ("s3cr3t-ключ", "the environment variable SHOP_SECRET has characters that an HTTP header cannot have"),
    ],
)
def test_invalid_secret_names_variable(
    api: ApiShop, monkeypatch: pytest.MonkeyPatch, value: str | None, message: str
) -> None:
    monkeypatch.delenv("SHOP_SECRET", raising=False)
    if value:
        monkeypatch.setenv("SHOP_SECRET", value)
    api.declare("page", auth=AUTHS["bearer"][0])
    with pytest.raises(RecomartError) as error:
        api.fetch()
    assert message in str(error.value)
    assert "s3cr3t" not in "".join(traceback.format_exception(error.value))
    assert api.service.requested_paths == []


def test_netrc_credentials_are_not_sent(api: ApiShop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login shop password s3cr3t\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    api.service.is_authorized = lambda handler: "Authorization" not in handler.headers
    assert api.fetch().record_count == 35
