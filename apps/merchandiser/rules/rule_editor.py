"""Who may change rules in the app, and changes of the rules store with their messages."""

from collections.abc import Callable, Sequence

import streamlit as st

from apps.merchandiser.markdown import escape_markdown, shorten_text
from apps.merchandiser.users import ask_user_name, get_user_name
from warehouse.errors import RecomartError
from warehouse.settings import Settings

MESSAGE_KEY = "rule_message"
NOTES_KEY = "rule_notes"
MAX_NOTE_LENGTH = 500
PROBLEMS_KEY = "rule_problems"
MISSING_NAME_TEXT = "Your name: it is missing. Type it at the top of the page, for the history"
READ_ONLY_TEXT = (
    "Read-only: this app changes no rules. `recomart app --edit` or RECOMART_APP_CAN_EDIT=true starts it with editing."
)


def ask_editor(settings: Settings) -> None:
    """Ask for the name of the person who changes rules, or show that the app is read-only."""
    if settings.app_can_edit:
        ask_user_name()
    else:
        st.caption(READ_ONLY_TEXT)


def try_change(reason: str, change: Callable[[str], str]) -> bool:
    """Make a change for the person of the session; keep its message, or what is wrong, for `show_result`.

    Args:
        reason: Why, for colleagues.
        change: Makes the change for a person and returns the message about it.

    Returns:
        Whether the change was made.
    """
    user = get_user_name()
    problems = []
    if not user:
        problems.append(MISSING_NAME_TEXT)
    if not reason.strip():
        problems.append("Reason: it is missing. Type why, for colleagues")
    if not problems:
        try:
            message = change(user)
        except RecomartError as error:
            problems = [str(error)]
        else:
            st.session_state[MESSAGE_KEY] = message
            return True
    st.session_state[PROBLEMS_KEY] = problems
    return False


def show_result() -> None:
    """Show once the message of a change that was made, or why it was not made."""
    message = st.session_state.pop(MESSAGE_KEY, None)
    if message is not None:
        st.success(escape_markdown(message), icon=":material/check_circle:")
    show_notes(st.session_state.pop(NOTES_KEY, []))
    show_problems(st.session_state.pop(PROBLEMS_KEY, []))


def show_notes(notes: Sequence[str]) -> None:
    """Show what other rules do with the products of a rule."""
    if notes:
        text = "\n".join(f"- {escape_markdown(shorten_text(note, MAX_NOTE_LENGTH))}." for note in notes)
        st.info(f"Other rules for the same products:\n\n{text}", icon=":material/rule:")


def show_problems(problems: list[str]) -> None:
    """Show what is wrong, one message for each problem."""
    for problem in problems:
        st.error(escape_markdown(problem), icon=":material/error:")
