"""The app as a web application: Streamlit behind checks of each request. `recomart app` and `make app` start it."""

import sys
from pathlib import Path

import streamlit as st
from pydantic import ValidationError
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from apps.merchandiser.access import check_exposure
from apps.merchandiser.request_checks import RequestChecks
from warehouse.errors import RecomartError
from warehouse.settings import Settings
from warehouse.validation_messages import describe_validation_error

try:
    settings = Settings()
    # `streamlit run` can name another address than the settings.
    check_exposure(settings.model_copy(update={"app_host": st.get_option("server.address") or settings.app_host}))
except RecomartError as error:
    sys.exit(f"recomart: {error}")
except ValidationError as error:
    sys.exit(f"recomart: {describe_validation_error(error)}")

app = st.App(
    Path(__file__).parent / "script" / "navigation.py",
    middleware=[
        Middleware(TrustedHostMiddleware, allowed_hosts=settings.app_trusted_hosts, www_redirect=False),
        Middleware(RequestChecks, is_image_allowed=settings.app_show_images),
    ],
)
