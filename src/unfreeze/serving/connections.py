"""Connections that are not held open by clients who send nothing, or next to nothing, or take nothing."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["impatient_protocol"]


def impatient_protocol(seconds: float) -> type[H11Protocol]:
    """Return uvicorn's HTTP protocol, dropping connections on which it waits too long.

    uvicorn bounds only how long a connection may be silent between requests: one that sends its headers a byte at a
    time, or never any, or asks without reading the answers, would stay open for ever.

    Args:
        seconds: from when a connection has nothing to answer until the next request's headers are complete, and from
            when more of an answer waits for its client than is held until the client has taken some of it.
    """
    return type("ImpatientProtocol", (_ImpatientProtocol,), {"seconds": seconds})


class _ImpatientProtocol(H11Protocol):
    seconds: float
    _asking: asyncio.TimerHandle | None = None
    _reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reading = self._drop_later()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unwatch("_reading")

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unwatch("_asking", "_reading")

    def _watch(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._unwatch("_asking")
        elif self._asking is None and not self.transport.is_closing():
            self._asking = self._drop_later()

    def _drop_later(self) -> asyncio.TimerHandle:
        """Drop the connection in a while; closing it would wait for its client to take what is left to be sent."""
        return self.loop.call_later(self.seconds, self.transport.abort)

    def _unwatch(self, *names: str) -> None:
        for name in names:
            if (timer := getattr(self, name)) is not None:
                timer.cancel()
                setattr(self, name, None)
