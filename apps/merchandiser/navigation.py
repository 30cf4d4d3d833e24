"""The script of the app: login, navigation, and the message when the published copy cannot be read."""

import streamlit as st

from apps.merchandiser.login_page import require_login, show_logout
from apps.merchandiser.markdown import escape_markdown
from warehouse.errors import RecomartError

LOGO = """<svg xmlns="http://www.w3.org/2000/svg" width="126" height="32" viewBox="0 0 126 32">
<rect y="2" width="28" height="28" rx="7" fill="#0f766e"/>
<path d="M6 11h3l2.5 9h8.5l2.5-6.5h-12" fill="none" stroke="#fff" stroke-width="2" stroke-linejoin="round"/>
<circle cx="12.5" cy="24" r="1.8" fill="#fff"/><circle cx="19" cy="24" r="1.8" fill="#fff"/>
<text x="35" y="22" font-family="sans-serif" font-size="17" font-weight="700" fill="#1f2a2a">RecoMart</text>
</svg>"""

# An emoji, because a browser would fetch a material icon from another server.
st.set_page_config(page_title="RecoMart", page_icon="🛍️", layout="wide")
st.logo(LOGO, size="large")

require_login()

page = st.navigation(
    [
        st.Page("customers.py", title="Customers", icon=":material/person_search:", default=True),
        st.Page("new_customers.py", title="New customers", icon=":material/person_add:"),
        st.Page("effect.py", title="Effect", icon=":material/trending_up:"),
        st.Page("quality.py", title="Quality", icon=":material/monitoring:"),
    ],
    position="top",
)

try:
    page.run()
except RecomartError as error:
    st.warning(escape_markdown(str(error)), title="No data to show", icon=":material/inventory_2:")
    st.button("Refresh", icon=":material/refresh:")
show_logout()
