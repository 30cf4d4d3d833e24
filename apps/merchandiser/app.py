"""The app as a web application: Streamlit behind checks of each request. `recomart app` and `make app` start it."""

from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from apps.merchandiser.access import check_exposure
from apps.merchandiser.request_checks import RequestChecks
from warehouse.settings import Settings

settings = Settings()
# `streamlit run` can name another address than the settings.
check_exposure(settings.model_copy(update={"app_host": st.get_option("server.address") or settings.app_host}))

app = st.App(
    Path(__file__).with_name("navigation.py"),
    middleware=[
        Middleware(TrustedHostMiddleware, allowed_hosts=settings.app_trusted_hosts, www_redirect=False),
        Middleware(RequestChecks),
    ],
)
