"""Who may use the app: the login of Streamlit's secrets file, and the addresses that need one."""

from functools import cache

import streamlit as st
from streamlit.auth_util import validate_auth_credentials
from streamlit.errors import StreamlitAuthError, StreamlitSecretNotFoundError

from warehouse.errors import RecomartError
from warehouse.hosts import is_loopback
from warehouse.settings import Settings


def check_exposure(settings: Settings) -> None:
    """Check that other machines can reach the app only if it has a login.

    Raises:
        RecomartError: The address or a trusted host is not of this machine, and neither a login nor the setting
            `app_without_login` is there. Or the secrets file cannot be read.
    """
    has_login = is_login_configured()
    outside = [host for host in (settings.app_host, *settings.app_trusted_hosts) if not is_loopback(host)]
    if outside and not has_login and not settings.app_without_login:
        raise RecomartError(
            f"the app does not start on {outside[0]}: other machines could read the customers' data without a login. "
            "Configure a login in .streamlit/secrets.toml (docs/security.md), or set RECOMART_APP_WITHOUT_LOGIN=true "
            "if a proxy asks for one"
        )


@cache
def is_login_configured() -> bool:
    """Return whether the secrets file has a section `auth`, as it was when the app started.

    Raises:
        RecomartError: The secrets file cannot be read, or the section lacks a key.
    """
    if not _read_auth_section():
        return False
    for provider in list_login_providers() or [None]:
        try:
            validate_auth_credentials(provider or "default")
        except StreamlitAuthError as error:
            reason = " ".join(str(error).split())
            raise RecomartError(f"the login is incomplete: {reason} docs/security.md has an example") from error
    return True


def list_login_providers() -> list[str | None]:
    """Return the names of the identity providers; None for the one without a name."""
    section = _read_auth_section()
    names: list[str | None] = [name for name, value in section.items() if hasattr(value, "keys")]
    return [None, *names] if "client_id" in section else names


def is_permitted_user(settings: Settings, email: str | None) -> bool:
    """Return whether the setting `app_users` permits a logged-in account; without the setting, all are permitted."""
    address = (email or "").lower()
    domain = f"@{address.rpartition('@')[2]}"
    return not settings.app_users or address in settings.app_users or domain in settings.app_users


def _read_auth_section() -> dict[str, object]:
    try:
        return dict(st.secrets.get("auth", {}))
    except StreamlitSecretNotFoundError as error:
        if error.error_id == "no-secrets-found":
            return {}
        raise RecomartError(f"Streamlit's secrets file cannot be read: {error}. Correct it") from error
