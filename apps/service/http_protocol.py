"""HTTP connections with limits of number, size of the head and time, which uvicorn does not have."""

import asyncio
import sys
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from apps.service.problems import MEDIA_TYPE, Problem
from apps.service.request_guard import ACCESS_LOG, SECURITY_HEADERS
from apps.service.service_metrics import UNKNOWN_ROUTE, ServiceMetrics
from warehouse.settings import Settings

MIN_CHUNK_BYTES = 512
"""Minimum mean size of the chunks of the longest body. Each chunk takes 25 microseconds, however short it is."""


class LimitedParser(h11.Connection):
    """The parser of a connection; it refuses bodies in very many chunks."""

    max_chunks: int
    chunk_count = 0

    def next_event(self) -> Any:
        """Return the next event.

        Raises:
            h11.RemoteProtocolError: The request cannot be parsed, or its body has too many chunks.
        """
        event = super().next_event()
        if isinstance(event, h11.Request):
            self.chunk_count = 0
        elif isinstance(event, h11.Data) and event.chunk_start:
            self.chunk_count += 1
            if self.chunk_count > self.max_chunks:
                raise h11.RemoteProtocolError(f"the body has more than {self.max_chunks:,} chunks", 413)
        return event


class LimitedProtocol(H11Protocol):
    """One connection; it reads heads and discards the rest of refused bodies within a time, and sends within a time.

    h11 stops heads above `h11_max_incomplete_event_size`, and `LimitedParser` many chunks. `RequestGuard` limits the
    bodies. uvicorn alone waits forever for the rest of a head and for a reader.
    """

    _read_timer: asyncio.TimerHandle | None = None
    _write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the time for the first head; refuse the connection if there are too many."""
        super().connection_made(transport)
        self.conn = LimitedParser(h11.SERVER, self._settings.service_max_header_bytes)
        self.conn.max_chunks = max(1000, self._settings.service_max_body_bytes // MIN_CHUNK_BYTES)
        # Every byte that the client does not take starts the time for the writer.
        transport.set_write_buffer_limits(high=0)
        if len(self.connections) > self._settings.service_max_connections:
            self._refuse(503, "too many connections. Try again", b"retry-after: 1\r\n")
        self._update_read_timer()

    def data_received(self, data: bytes) -> None:
        """Parse the data."""
        super().data_received(data)
        self._update_read_timer()

    def on_response_complete(self) -> None:
        """Prepare for the next request."""
        super().on_response_complete()
        self._update_read_timer()

    def pause_writing(self) -> None:
        """Start the time in which the client must read."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(self._settings.service_transfer_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop the time: the client has read everything."""
        super().resume_writing()
        self._cancel(self._write_timer)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all times."""
        self._cancel(self._read_timer)
        self._cancel(self._write_timer)
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that cannot be parsed, with the status that the parser's error names."""
        error = sys.exc_info()[1]
        status = getattr(error, "error_status_hint", 400)
        details = {413: str(error), 431: "the request line or the headers are too long"}
        self._refuse(status, details.get(status, msg))

    def shutdown(self) -> None:
        """Close the connection after its response; at once if the request is not complete."""
        if self.conn.their_state is h11.SEND_BODY:
            self.transport.abort()
        else:
            super().shutdown()

    @property
    def _settings(self) -> Settings:
        settings: Settings = self._state.settings
        return settings

    @property
    def _state(self) -> Any:
        return self.config.loaded_app.state

    def _update_read_timer(self) -> None:
        is_response_complete = self.cycle is None or self.cycle.response_complete
        # IDLE: a head is expected. SEND_BODY after the response: the rest of a refused body is discarded, because
        # closing the connection would lose the response.
        is_waiting = self.conn.their_state is h11.IDLE or (
            self.conn.their_state is h11.SEND_BODY and is_response_complete
        )
        if not is_waiting:
            self._cancel(self._read_timer)
            self._read_timer = None
        elif self._read_timer is None:
            self._read_timer = self.loop.call_later(self._settings.service_transfer_seconds, self._stop_reading)

    def _stop_reading(self) -> None:
        if self.conn.their_state is h11.IDLE and self.conn.trailing_data[0]:
            self._refuse(408, f"the request did not arrive within {self._settings.service_transfer_seconds:g} seconds")
        else:
            self.transport.close()

    def _refuse(self, status: int, detail: str, header: bytes = b"") -> None:
        """Send a problem without the application, unless a response has started, and close the connection."""
        if self.transport.is_closing():
            return
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            phrase = HTTPStatus(status).phrase
            body = Problem(title=phrase, status=status, detail=detail).model_dump_json().encode()
            security_headers = b"".join(b"%s: %s\r\n" % pair for pair in SECURITY_HEADERS)
            self.transport.write(
                b"HTTP/1.1 %d %s\r\ncontent-type: %s\r\ncontent-length: %d\r\nconnection: close\r\n%s%s\r\n%s"
                % (status, phrase.encode(), MEDIA_TYPE.encode(), len(body), security_headers, header, body)
            )
            metrics: ServiceMetrics = self._state.metrics
            metrics.observe(UNKNOWN_ROUTE, status, 0.0)
            ACCESS_LOG.info("- %s %d", UNKNOWN_ROUTE, status)
        self.transport.close()

    @staticmethod
    def _cancel(timer: asyncio.TimerHandle | None) -> None:
        if timer is not None:
            timer.cancel()
