"""Who may change rules in the app, and changes of the rules store with their messages."""

from collections.abc import Callable

import streamlit as st

from apps.merchandiser.markdown import escape_markdown
from apps.merchandiser.users import ask_user_name
from warehouse.errors import RecomartError
from warehouse.settings import Settings

MESSAGE_KEY = "rule_message"
MAX_REASON_LENGTH = 500
READ_ONLY_TEXT = (
    "Read-only: this app changes no rules. `recomart app --edit` or RECOMART_APP_CAN_EDIT=true starts it with editing."
)


def ask_editor(settings: Settings) -> str | None:
    """Return the name of the person who changes rules, which may be empty; None if the app is read-only."""
    if settings.app_can_edit:
        return ask_user_name()
    st.caption(READ_ONLY_TEXT)
    return None


def change_rules(user: str, reason: str, change: Callable[[], str]) -> None:
    """Make a change and run the page again with the change's message, or show what is wrong.

    Args:
        user: Name of the person.
        reason: Why, for colleagues.
        change: Makes the change and returns the message about it.
    """
    problems = [
        *(
            ["Your name: it is missing. Type it at the top of the page, for the history of the rule"]
            if not user
            else []
        ),
        *(["Reason: it is missing. Type why, for colleagues"] if not reason.strip() else []),
    ]
    if problems:
        show_problems(problems)
        return
    try:
        message = change()
    except RecomartError as error:
        show_problems([str(error)])
        return
    st.session_state[MESSAGE_KEY] = message
    st.rerun()


def show_message() -> None:
    """Show the message of the change that the run before this one made."""
    message = st.session_state.pop(MESSAGE_KEY, None)
    if message is not None:
        st.success(escape_markdown(message), icon=":material/check_circle:")


def show_problems(problems: list[str]) -> None:
    """Show what is wrong, one message for each problem."""
    for problem in problems:
        st.error(escape_markdown(problem), icon=":material/error:")
