"""Connections that are not held open by clients who send nothing, or next to nothing."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["impatient_protocol"]


def impatient_protocol(seconds: float) -> type[H11Protocol]:
    """Return uvicorn's HTTP protocol, closing connections on which it waits too long for a request to begin.

    uvicorn bounds only how long a connection may be silent between requests: one that sends its headers a byte at a
    time, or never any, would stay open for ever.

    Args:
        seconds: from when a connection has nothing to answer until the next request's headers are complete.
    """

    class ImpatientProtocol(H11Protocol):
        _deadline: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
            super().connection_made(transport)
            self._watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            self._unwatch()

        def _watch(self) -> None:
            if self.cycle is not None and not self.cycle.response_complete:
                self._unwatch()
            elif self._deadline is None and not self.transport.is_closing():
                self._deadline = self.loop.call_later(seconds, self.transport.close)

        def _unwatch(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

    return ImpatientProtocol
