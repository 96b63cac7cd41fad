"""Who may ask: the hosts, pages and tokens that are let in, and the headers of every answer.

A service on localhost is in reach of every web page that its user opens: a page can post a form there, and one whose
own name it lets point to 127.0.0.1 (DNS rebinding) could even read the answers. So a request must name a host that is
known, or an address, and one that does something must not come from another page.
"""

from __future__ import annotations

import hmac
import ipaddress
import logging
import socket
from collections.abc import Collection
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders

from unfreeze.serving.refusing import Refusal

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["OPEN_PATHS", "Access", "SafeAnswers", "is_loopback", "own_names"]

logger = logging.getLogger(__name__)

UNFORESEEN = Refusal(
    HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "Something went wrong in the service; its log says what."
)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN_PATHS = frozenset({"/", "/health"})  # without a token, as are the page's own files
SAME_ORIGIN = frozenset({"same-origin", "none"})
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}


class SafeAnswers:
    """Adds to every answer what keeps browsers from being misled by it, and answers errors that nobody foresaw.

    Of those the log has the traceback, and the client learns nothing.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the application does, with the headers added."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def send_safely(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self._app(scope, receive, send_safely)
        except Exception:
            logger.exception("%s %r failed", scope["method"], scope["path"])
            if has_begun:
                raise
            await UNFORESEEN.response()(scope, receive, send_safely)


class Access:
    """Lets a request through if it names a known host, comes from no other page, and has the token, if there is one.

    Args:
        app: what it guards.
        hosts: names by which the service may be called; addresses are always let in.
        token: what a request must carry as `Authorization: Bearer TOKEN`; None: nothing.
        open_paths: what is answered without the token.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Collection[str],
        token: str | None = None,
        open_paths: Collection[str] = OPEN_PATHS,
    ) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._token = None if token is None else token.encode()
        self._open_paths = frozenset(open_paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer, or refuse."""
        if scope["type"] == "http":
            try:
                self._check(scope["method"], scope["path"], Headers(scope=scope))
            except Refusal as refusal:
                await refusal.response()(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _check(self, method: str, path: str, headers: Headers) -> None:
        host = headers.get("host", "")
        if not _is_known(host, self._hosts):
            raise Refusal(
                HTTPStatus.MISDIRECTED_REQUEST,
                "unknown_host",
                f'The service is not known by the name "{host[:200]}". Start it with --allow-host to let it be.',
            )
        if method not in SAFE_METHODS:
            _refuse_other_pages(headers, host)
        if self._token is not None and path not in self._open_paths and not self._has_token(headers):
            raise Refusal(
                HTTPStatus.UNAUTHORIZED,
                "unauthorized",
                "This service needs its token: send the header Authorization: Bearer TOKEN.",
                headers={"WWW-Authenticate": "Bearer"},
            )

    def _has_token(self, headers: Headers) -> bool:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        assert self._token is not None
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode("latin-1"), self._token)


def own_names(host: str) -> frozenset[str]:
    """Return the names that a service bound to `host` goes by: localhost, and where others can reach it the machine's.

    >>> sorted(own_names("127.0.0.1"))
    ['localhost']
    """
    names = {"localhost", host.lower()}
    if not is_loopback(host):
        machine = socket.gethostname().lower()
        names |= {machine, f"{machine}.local", socket.getfqdn().lower()}
    return frozenset(name for name in names if not _is_address(name))


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach what is bound to `host`."""
    if host.lower() == "localhost":
        return True
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


def _is_known(host: str, names: frozenset[str]) -> bool:
    """Say whether a Host header names an address, which no other page's name can be, or a known name."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    return name in names or name.endswith(".localhost") or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _refuse_other_pages(headers: Headers, host: str) -> None:
    """Raise Refusal where a browser says that another page sends this; programs say nothing of the kind."""
    origin = headers.get("origin")
    own = {f"http://{host.lower()}", f"https://{host.lower()}"}  # a proxy may speak HTTPS where we do not
    if (origin is not None and origin.lower() not in own) or headers.get(
        "sec-fetch-site", "none"
    ).lower() not in SAME_ORIGIN:
        raise Refusal(
            HTTPStatus.FORBIDDEN,
            "cross_site",
            "Another web page may not send pictures here. Open the service's own page, or use a program.",
        )
