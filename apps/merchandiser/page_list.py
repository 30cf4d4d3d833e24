"""The pages of the app in the order of the navigation, links to them, and the page for an unknown address."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import urlencode

import streamlit as st
from streamlit.navigation.page import Page
from streamlit.runtime.scriptrunner import get_script_run_ctx

from apps.merchandiser.markdown import escape_markdown


class PageEntry(NamedTuple):
    """A page of the navigation."""

    name: str
    """Name of the file in the folder `pages`, and path of the page's address."""

    title: str
    icon: str

    is_refreshed: bool = True
    """Whether an open page shows a new publication by itself. A page with a form gets a button instead."""

    @property
    def path(self) -> str:
        """Path of the file, from the folder of the app's script."""
        return f"../pages/{self.name}.py"


PAGES = (
    PageEntry("today", "Today", ":material/today:"),
    PageEntry("customers", "Customers", ":material/person_search:"),
    PageEntry("products", "Products", ":material/inventory_2:"),
    PageEntry("try_it", "Try it", ":material/storefront:"),
    PageEntry("rules", "Rules", ":material/rule:", is_refreshed=False),
    PageEntry("effect", "Effect", ":material/trending_up:"),
    PageEntry("quality", "Quality", ":material/monitoring:"),
)
"""The pages in the order of the navigation; the first one is the start page."""


def open_navigation() -> tuple[Page, PageEntry | None]:
    """Show the navigation; return the page of the address, and its entry or None for an unknown address."""
    start_page, *other_pages = PAGES
    pages = [
        # The address of the start page has no path; the path here only distinguishes it from its second address.
        st.Page(start_page.path, title=start_page.title, icon=start_page.icon, url_path="start", default=True),
        *(st.Page(entry.path, title=entry.title, icon=entry.icon) for entry in other_pages),
        # A link with the name of the start page.
        st.Page(start_page.path, title=start_page.title, url_path=start_page.name, visibility="hidden"),
    ]
    unknown_path = _find_unknown_path()
    if unknown_path is not None:
        # Without a page of this path, Streamlit would run the start page below a dialog.
        unknown_page = st.Page(show_unknown_address, title="Page not found", url_path=unknown_path, visibility="hidden")
        pages.append(unknown_page)
    page = st.navigation(pages, position="top")
    entries = zip((*PAGES, start_page), pages, strict=False)
    entry = next((entry for entry, candidate in entries if candidate is page), None)
    return page, entry


def show_page_link(name: str, label: str, query_params: Mapping[str, str] | None = None) -> None:
    """Show a link to a page; only the label if the app does not have the page. The label is Markdown."""
    entries = {entry.name: entry for entry in PAGES}
    if name in entries:
        st.page_link(entries[name].path, label=label, query_params=dict(query_params or {}) or None)
    else:
        st.markdown(label)


def make_page_address(name: str, query_params: Mapping[str, str]) -> str:
    """Return the address of a page with parameters, relative to the address of another page."""
    return f"./{name}?{urlencode(query_params)}"


def show_unknown_address() -> None:
    """Show that the app has no such page, and the links to all pages."""
    st.subheader("Page not found", anchor=False)
    path = escape_markdown(st.session_state.get("unknown_path", ""))
    st.markdown(f"This app has no page “{path}”. Its pages are:")
    for entry in PAGES:
        st.page_link(entry.path, label=entry.title, icon=entry.icon)


def _find_unknown_path() -> str | None:
    """Return the path of an address without a page; also in the later runs of a session that opened one."""
    context = get_script_run_ctx()
    known_paths: Iterable[str] = [entry.name for entry in PAGES]
    # A later run of the same page has a page's hash instead of the path.
    path = context.pages_manager.intended_page_name if context else ""
    if path and path not in known_paths:
        st.session_state["unknown_path"] = path
    return st.session_state.get("unknown_path")
