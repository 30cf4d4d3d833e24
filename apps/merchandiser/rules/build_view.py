"""The button that builds the lists by the rules, its progress and its result."""

import streamlit as st

from apps.merchandiser.markdown import escape_markdown, shorten_text
from apps.merchandiser.rules.busy_message import replace_lock_holder
from apps.merchandiser.rules.list_build import BuildStatus, get_list_build
from apps.merchandiser.rules.rule_editor import MISSING_NAME_TEXT, show_problems
from apps.merchandiser.users import get_user_name
from warehouse.publishing.published_rules import describe_unknown_placements, read_applied_changes
from warehouse.publishing.serving_copy import ServingCopy
from warehouse.rules.rule_overview import summarize_awaited
from warehouse.rules.rule_store import RuleStore, get_today
from warehouse.settings import Settings

POLL_SECONDS = 1
MAX_NOTE_LENGTH = 500
MAX_WARNINGS = 5


def show_build(copy: ServingCopy, settings: Settings) -> None:
    """Show since when the lists are live, which rules they do not follow yet, and the build of this app.

    Raises:
        RecomartError: The rules store is damaged.
    """
    status = get_list_build(settings).read_status()
    is_running = status is not None and status.is_running
    store, today = RuleStore(settings), get_today()
    awaited = summarize_awaited(store.read_all_rules(), read_applied_changes(copy), today)
    for warning in describe_unknown_placements(copy, store.read_rules().values(), today)[:MAX_WARNINGS]:
        st.warning(escape_markdown(shorten_text(f"{warning[0].upper()}{warning[1:]}.", MAX_NOTE_LENGTH)))
    st.fragment(_show_build, run_every=POLL_SECONDS if is_running else None)(copy, settings, awaited, is_running)


def _show_build(copy: ServingCopy, settings: Settings, awaited: str | None, was_running: bool) -> None:
    build = get_list_build(settings)
    status = build.read_status()
    if was_running and status is not None and not status.is_running:
        # The whole page shows the new version and the new states of the rules.
        st.rerun()
    is_running = status is not None and status.is_running
    with st.container(horizontal=True, vertical_alignment="center"):
        published_at = copy.published.published_at
        st.caption(f"Lists live since {published_at:%d %b %Y, %H:%M:%S} UTC.", width="content")
        if settings.app_can_edit and st.button(
            "Build the lists now",
            key="build_lists",
            icon=":material/construction:",
            disabled=is_running,
            help="Applies all rules with the serving model and publishes the lists, as `recomart rules apply` does.",
        ):
            user = get_user_name()
            if not user:
                show_problems([MISSING_NAME_TEXT])
            else:
                build.start(user)
                st.rerun()
    if awaited is not None and not is_running:
        st.warning(escape_markdown(awaited), icon=":material/pending:")
    # A change after the build makes its success outdated.
    if status is not None and (is_running or status.has_failed or awaited is None):
        _show_status(status)


def _show_status(status: BuildStatus) -> None:
    note = shorten_text(replace_lock_holder(status.note), MAX_NOTE_LENGTH)
    if status.is_running:
        text = "tables and tests" if status.done_share else note or "starting"
        st.progress(
            status.done_share,
            escape_markdown(f"{status.user} builds the lists, {status.seconds:.0f} s: {text}"),
        )
    elif status.has_failed:
        st.error(
            escape_markdown(f"The lists were not built, and the earlier lists stay live. {note}"),
            icon=":material/error:",
        )
    else:
        st.success(
            escape_markdown(
                f"The lists by the rules are live, after {status.seconds:.0f} s; {status.user} started the build."
            ),
            icon=":material/published_with_changes:",
        )
        for warning in status.warnings:
            st.warning(escape_markdown(shorten_text(warning, MAX_NOTE_LENGTH)))
