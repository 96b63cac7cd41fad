"""How much a service takes on: bytes, pixels, files, requests and seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from unfreeze.errors import raise_together

__all__ = ["Limits"]

MIB = 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of a service; whatever is beyond one is refused with a status of its own.

    Attributes:
        max_upload_bytes: of one request's body.
        max_held_bytes: of all bodies that are being received or answered.
        max_pixels: of one picture, as its header says.
        max_files: in one request.
        max_in_flight: requests that are being received or answered; those that only read (the page, `/health`,
            `/model`) do not count.
        max_connections: open connections.
        header_seconds: from when a connection has nothing to answer until its next request's headers are here.
        upload_seconds: from a request's headers until its whole body is here.
        answer_seconds: from then until it is answered.

    Raises:
        ConfigError: a limit is not above 0, or has no end, or a body that is allowed could never be held; all problems
            are reported together.

    >>> Limits(max_files=4).max_files
    4
    """

    max_upload_bytes: int = 64 * MIB
    max_held_bytes: int = 256 * MIB
    max_pixels: int = 64_000_000
    max_files: int = 32
    max_in_flight: int = 64
    max_connections: int = 512
    header_seconds: float = 20.0
    upload_seconds: float = 60.0
    answer_seconds: float = 60.0

    def __post_init__(self) -> None:
        """Check all values, so that no service starts that refuses everything."""
        found = {field.name: getattr(self, field.name) for field in fields(self)}
        problems = [
            f"{name} must be above 0 and finite, but got {value}."
            for name, value in found.items()
            if not 0 < value < math.inf
        ]
        if self.max_held_bytes < self.max_upload_bytes:
            problems.append(
                f"max_held_bytes must be at least max_upload_bytes ({self.max_upload_bytes:,}), "
                f"but got {self.max_held_bytes:,}: a body of that size could never be received."
            )
        raise_together(problems)
