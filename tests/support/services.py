"""Runs an application as users run it: a real server on a real socket, in a thread of the test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from unfreeze.serving import Limits
from unfreeze.serving.running import Server, bind, url_of

if TYPE_CHECKING:
    from fastapi import FastAPI

__all__ = ["served"]

SECONDS = 60


@contextmanager
def served(app: FastAPI, limits: Limits | None = None) -> Iterator[str]:
    """Serve an application at a free port of 127.0.0.1 until the block ends; gives its address, without a slash."""
    ready = threading.Event()
    with bind("127.0.0.1", 0) as place:
        url = url_of(place).rstrip("/")
        server = Server(app, limits or Limits(), ready=ready.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [place]}, daemon=True)
        thread.start()
        assert ready.wait(SECONDS), "the server did not start"
        try:
            yield url
        finally:
            server.should_exit = True
            thread.join(SECONDS)
    assert not thread.is_alive(), "the server did not stop"
