"""The person who uses the app."""

import streamlit as st

from apps.merchandiser.access import is_login_configured
from warehouse.accounts import get_account_name
from warehouse.hosts import is_loopback
from warehouse.settings import Settings

MAX_USER_NAME_LENGTH = 100
NAME_KEY = "user_name"


def get_account() -> str | None:
    """Return the e-mail address of the logged-in account; None in an app without a login."""
    email = st.user.get("email") if is_login_configured() else None
    return None if email is None else str(email)


def get_user_name() -> str:
    """Return the account; without a login, the name that the person typed, which may be empty."""
    account = get_account()
    return str(st.session_state.get(NAME_KEY, "")).strip() if account is None else account


def ask_user_name() -> str:
    """Return the account; without a login, ask for a name and return it, which may be empty."""
    account = get_account()
    if account is not None:
        return account
    name = st.text_input(
        "Your name",
        _get_default_name(),
        key=NAME_KEY,
        max_chars=MAX_USER_NAME_LENGTH,
        persist_state="session",
        help="It is written into the history of changes.",
        width=240,
    )
    return name.strip()


def _get_default_name() -> str:
    """Return the name of the system's account, as `recomart rules` does; none if other machines can reach the app.

    Their users are other persons than the one who started the app.
    """
    settings = Settings()
    if settings.app_without_login or not all(map(is_loopback, (settings.app_host, *settings.app_trusted_hosts))):
        return ""
    return (get_account_name() or "")[:MAX_USER_NAME_LENGTH]
