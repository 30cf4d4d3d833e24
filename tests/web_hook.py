"""A local web hook for tests of alerts."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any


class WebHook:
    """A web hook that records payloads. It answers with the given statuses in turn, and then repeats the last one."""

    def __init__(self, *statuses: int) -> None:
        payloads: list[dict[str, Any]] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                payloads.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(statuses[min(len(payloads), len(statuses)) - 1])
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Print no request log."""

        self.payloads = payloads
        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/secret"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop the server."""
        self.server.shutdown()
        self.server.server_close()
