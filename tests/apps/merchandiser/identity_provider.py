"""An OpenID Connect provider that logs in one account without a question."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.free_port import find_free_port

CLIENT_ID = "recomart"


class IdentityProvider:
    """Issues ID tokens for `email`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.email = "ann@shop.example"
        self._key = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256", "kid": "1"})
        self._nonce = ""

    def get_configuration(self, _: Request) -> Response:
        """Return the discovery document."""
        return JSONResponse(
            {
                "issuer": self.url,
                "authorization_endpoint": f"{self.url}/authorize",
                "token_endpoint": f"{self.url}/token",
                "jwks_uri": f"{self.url}/jwks",
                "id_token_signing_alg_values_supported": ["ES256"],
            }
        )

    def authorize(self, request: Request) -> Response:
        """Send the browser back with a code."""
        query = request.query_params
        self._nonce = query["nonce"]
        return RedirectResponse(f"{query['redirect_uri']}?code=1&state={query['state']}")

    def create_token(self, _: Request) -> Response:
        """Return a signed ID token."""
        claims = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "sub": "1",
            "email": self.email,
            "nonce": self._nonce,
            "iat": int(time.time()),
            "exp": int(time.time()) + 600,
        }
        token = jwt.encode({"alg": "ES256", "kid": "1"}, claims, self._key)
        return JSONResponse({"access_token": "1", "token_type": "Bearer", "id_token": token})

    def get_keys(self, _: Request) -> Response:
        """Return the public key."""
        return JSONResponse({"keys": [self._key.as_dict(private=False)]})

    def build_secrets(self, app_port: int) -> str:
        """Return the secrets file of an app that uses this provider."""
        return f"""
[auth]
redirect_uri = "http://localhost:{app_port}/oauth2callback"
cookie_secret = "a long random text for signatures"
client_id = "{CLIENT_ID}"
client_secret = "secret"
server_metadata_url = "{self.url}/.well-known/openid-configuration"
"""


@contextmanager
def run_identity_provider() -> Iterator[IdentityProvider]:
    """Run a provider in a thread."""
    port = find_free_port()
    provider = IdentityProvider(f"http://127.0.0.1:{port}")
    routes = [
        Route("/.well-known/openid-configuration", provider.get_configuration),
        Route("/authorize", provider.authorize),
        Route("/token", provider.create_token, methods=["POST"]),
        Route("/jwks", provider.get_keys),
    ]
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield provider
    finally:
        server.should_exit = True
        thread.join()
