"""Nobody waits for ever: what takes longer than a service allows is answered with 504."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

from unfreeze.serving.refusing import Refusal

if TYPE_CHECKING:
    from collections.abc import Awaitable

__all__ = ["by_deadline"]

Value = TypeVar("Value")
FEWER = "Send fewer pictures at a time, or try again when the service has less to do."


async def by_deadline(work: Awaitable[Value], seconds: float, *, advice: str = FEWER) -> Value:
    """Wait for work, but not for ever; what has not begun by then is cancelled, unless it is shielded.

    Args:
        work: what is waited for.
        seconds: for how long.
        advice: what the message says last: what becomes of the work, or what to do.

    Raises:
        Refusal: 504, it took too long.
    """
    try:
        return await asyncio.wait_for(work, seconds)
    except TimeoutError:
        raise Refusal(
            HTTPStatus.GATEWAY_TIMEOUT, "timed_out", f"The answer took longer than {seconds:g} seconds. {advice}"
        ) from None
