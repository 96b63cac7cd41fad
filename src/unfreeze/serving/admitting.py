"""How many requests, and how many of their bytes, a service holds at a time."""

from __future__ import annotations

from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING

from unfreeze.serving.refusing import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from unfreeze.serving.limits import Limits

__all__ = ["Admission", "Ticket"]

RETRY = {"Retry-After": "1"}


class Admission:
    """Counts what is in flight; only for the event loop's thread.

    Args:
        limits: of the service.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.n_requests = 0
        self.n_bytes = 0

    @contextmanager
    def enter(self) -> Iterator[Ticket]:
        """Let a request in until the block ends.

        Raises:
            Refusal: 503, as many are in flight as may be.
        """
        if self.n_requests >= self._limits.max_in_flight:
            raise Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "busy",
                f"{self.n_requests} requests are being answered, which is the most at a time. Try again in a moment.",
                headers=RETRY,
            )
        ticket = Ticket(self, self._limits.max_held_bytes)
        self.n_requests += 1
        try:
            yield ticket
        finally:
            self.n_requests -= 1
            self.n_bytes -= ticket.n_bytes


class Ticket:
    """What one admitted request holds."""

    def __init__(self, admission: Admission, max_held_bytes: int) -> None:
        self._admission = admission
        self._max_held_bytes = max_held_bytes
        self.n_bytes = 0

    def hold(self, n_bytes: int) -> None:
        """Count further bytes of the request's body.

        Raises:
            Refusal: 503, all bodies together would be too much.
        """
        if self._admission.n_bytes + n_bytes > self._max_held_bytes:
            raise Refusal(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "busy",
                "The service holds as many uploaded bytes as it may. Try again in a moment.",
                headers=RETRY,
            )
        self._admission.n_bytes += n_bytes
        self.n_bytes += n_bytes
