"""From a run to a service that answers until it is told to stop."""

from __future__ import annotations

import math
import signal
import socket
from collections.abc import Callable, Collection
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import uvicorn

from unfreeze.errors import ConfigError
from unfreeze.serving.about import describe_model
from unfreeze.serving.access import is_loopback, own_names
from unfreeze.serving.application import create_app
from unfreeze.serving.connections import impatient_protocol
from unfreeze.serving.limits import Limits
from unfreeze.serving.opening import open_predictor
from unfreeze.serving.service import Service

if TYPE_CHECKING:
    from types import FrameType

    from fastapi import FastAPI

    from unfreeze.engines import EngineName
    from unfreeze.serving.service import Model

__all__ = ["Server", "answer_until_stopped", "bind", "exposure_note", "open_app", "run_server", "serve_run", "url_of"]

BACKLOG = 256
LAST_PORT = 65535
KEEP_ALIVE_SECONDS = 15


def open_app(
    model: Model, *, name: str, limits: Limits, token: str | None = None, host: str = "127.0.0.1",
    also_known_as: Collection[str] = (),
) -> FastAPI:  # fmt: skip
    """Return the application that answers for a network.

    Args:
        model: the network, ready.
        name: the run's name.
        limits: of the service.
        token: what requests must carry; None: nothing.
        host: what the service will be bound to.
        also_known_as: further names by which it may be called, such as that of a proxy.
    """
    description = describe_model(
        model.record, model.model_record, name=name, limits=limits, heat_maps=find_spec("captum") is not None
    )
    return create_app(Service(model, limits), description, token=token, hosts={*own_names(host), *also_known_as})


def serve_run(
    run: Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    token: str | None = None,
    also_known_as: Collection[str] = (),
    limits: Limits | None = None,
    engine: Literal["auto"] | EngineName = "auto",
    device: Literal["auto", "cpu", "cuda"] = "auto",
    said: Callable[[str], None] | None = None,
) -> str:
    """Answer for a run's network until SIGINT or SIGTERM; see `Run.serve`."""
    bounds, tell = limits or Limits(), said or (lambda _text: None)

    def opened() -> FastAPI:
        predictor, notes = open_predictor(run, engine=engine, device=device)
        for note in notes:
            tell(f"note: {note}")
        name = run.resolve().name
        return open_app(predictor, name=name, limits=bounds, token=token, host=host, also_known_as=also_known_as)

    return answer_until_stopped(
        opened, host=host, port=port, token=token, limits=bounds, said=tell, what=f"{run} is served"
    )


def answer_until_stopped(
    opened: Callable[[], FastAPI],
    *,
    host: str,
    port: int,
    token: str | None,
    limits: Limits,
    said: Callable[[str], None],
    what: str,
) -> str:
    """Let an application answer until SIGINT or SIGTERM; return the address that it had.

    Args:
        opened: makes the application, once it is certain that the place is free.
        host: who can reach it.
        port: where to listen; 0 takes any that is free.
        token: what requests must carry; None: nothing, which is said where others can reach it.
        limits: of connections and seconds.
        said: told where it listens, and what there is to say of that.
        what: the beginning of that sentence, such as "runs/photos-head-1 is served".

    Raises:
        ConfigError: the place is taken, may not be used, or is no place of this machine.
    """
    with bind(host, port) as place:
        app, url = opened(), url_of(place)
        if note := exposure_note(host, token):
            said(f"note: {note}")
        run_server(app, place, limits, ready=lambda: said(f"{what} at {url} (Ctrl-C stops it)"))
        return url


def bind(host: str, port: int) -> socket.socket:
    """Return a listening place; port 0 takes any that is free.

    Raises:
        ConfigError: it is taken, may not be used, or is no place of this machine.
    """
    if not 0 <= port <= LAST_PORT:
        raise ConfigError(f"--port must be from 0 (any that is free) to {LAST_PORT}, but got {port}.")
    found: socket.socket | None = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        found = socket.socket(family, kind, protocol)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(BACKLOG)  # two sockets may be bound to one place as long as neither listens
    except OSError as error:
        if found is not None:
            found.close()
        raise ConfigError(
            f"The service cannot listen at {host}, port {port}: {error.strerror or error}. Give another --port (0 "
            "takes any that is free) or --host."
        ) from error
    return found


class Server(uvicorn.Server):
    """A server that says when it is ready, and finishes what is in flight when it is told to stop.

    A second signal does not wait for those who ask, a third one for nothing.
    """

    def __init__(self, app: FastAPI, limits: Limits, *, ready: Callable[[], None] | None = None) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=impatient_protocol(limits.header_seconds),
                ws="none",
                lifespan="on",
                log_level="warning",
                access_log=False,
                server_header=False,
                backlog=BACKLOG,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                limit_concurrency=limits.max_connections,
                timeout_graceful_shutdown=math.ceil(limits.upload_seconds + limits.answer_seconds),
            )
        )
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, then say so."""
        await super().startup(sockets)
        if self._ready is not None and self.started:
            self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; uvicorn hurries only for a second SIGINT, and for none once the application is being closed."""
        if self.force_exit:
            signal.signal(sig, signal.SIG_DFL)
            signal.raise_signal(sig)
        self.force_exit = self.should_exit
        super().handle_exit(sig, frame)


def run_server(app: FastAPI, place: socket.socket, limits: Limits, *, ready: Callable[[], None] | None = None) -> None:
    """Answer until SIGINT or SIGTERM, then finish what is in flight; a second signal does not wait for those who ask.

    A third one ends the process, whatever it is doing.

    Args:
        app: the application.
        place: where to listen; see `bind`.
        limits: of connections and seconds.
        ready: called once it listens.
    """
    with suppress(KeyboardInterrupt):  # uvicorn raises the signals anew when it has finished
        Server(app, limits, ready=ready).run(sockets=[place])


def url_of(place: socket.socket) -> str:
    """Return the address to type into a browser."""
    host, port = place.getsockname()[:2]
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}/"


def exposure_note(host: str, token: str | None) -> str | None:
    """Return what to say where others can reach a service that asks for no token."""
    if is_loopback(host) or token is not None:
        return None
    return (
        f"Whoever can reach {host} can use this service: it has no token. Give one with --token-file or "
        "UNFREEZE_TOKEN, or leave --host at 127.0.0.1."
    )
