"""The login page, shown instead of the data until a permitted account is logged in."""

import streamlit as st

from apps.merchandiser.access import is_login_configured, is_permitted_user, list_login_providers
from apps.merchandiser.markdown import escape_markdown
from warehouse.settings import Settings


def require_login() -> None:
    """Stop the page run after the login page, unless no login is configured or a permitted account is logged in."""
    if not is_login_configured():
        return
    if not st.user.get("is_logged_in"):
        st.subheader("Log in to see recommendations", anchor=False)
        for provider in list_login_providers():
            label = f"Log in with {escape_markdown(provider)}" if provider else "Log in"
            st.button(label, key=f"login_{provider}", on_click=st.login, args=(provider,) if provider else ())
        st.stop()
    if st.user.get("email_verified") is False or not is_permitted_user(Settings(), _get_email()):
        st.warning(f"The account {escape_markdown(_get_email() or '')} may not use this app.", icon=":material/block:")
        show_logout()
        st.stop()


def show_logout() -> None:
    """Show the button that ends the login, if there is one."""
    if is_login_configured():
        st.button("Log out", key="logout", help=escape_markdown(_get_email() or ""), on_click=st.logout)


def _get_email() -> str | None:
    email = st.user.get("email")
    return None if email is None else str(email)
