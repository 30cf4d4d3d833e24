"""The script of the app: login, navigation, and the message when the published copy cannot be read."""

import streamlit as st

from apps.merchandiser.login_page import require_login, show_logout
from apps.merchandiser.logo import show_logo
from apps.merchandiser.markdown import escape_markdown
from apps.merchandiser.page_list import open_navigation
from apps.merchandiser.page_style import show_style
from apps.merchandiser.version_notice import note_shown_version, watch_for_new_version
from warehouse.errors import RecomartError

# An emoji, because a browser would fetch a material icon from another server.
st.set_page_config(page_title="RecoMart", page_icon="🛍️", layout="wide")
show_logo()
show_style()

require_login()

page, entry = open_navigation()
note_shown_version()
watch_for_new_version(is_refreshed=entry is None or entry.is_refreshed)
try:
    page.run()
except RecomartError as error:
    st.warning(escape_markdown(str(error)), title="No data to show", icon=":material/inventory_2:")
    st.button("Refresh", icon=":material/refresh:")
finally:
    # The next run sees which page was open before it.
    st.session_state["page"] = entry.name if entry else None
show_logout()
