"""The little that our charts need of SVG: scales, ticks, and shapes whose colours are classes of the page's style.

Every text passes `text`, which escapes it; nothing else writes what a user named.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

__all__ = ["Scale", "circle", "drawing", "line", "path", "rect", "shortened", "text", "ticks"]

CHARACTER = 6.2  # px that a character takes on average, at the charts' 11 px


@dataclass(frozen=True, slots=True)
class Scale:
    """From values between `low` and `high` to pixels between `start` and `end`; by logarithms where told."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return where a value lies, in px."""
        low, high, at = (
            (math.log10(v) for v in (self.low, self.high, value)) if self.log else (self.low, self.high, value)
        )
        share = (at - low) / (high - low) if high > low else 0.5
        return round(self.start + share * (self.end - self.start), 2)


def ticks(low: float, high: float, *, n: int = 5) -> list[float]:
    """Return about `n` round numbers between two values.

    >>> ticks(0, 1), ticks(3, 47, n=4)
    ([0.0, 0.2, 0.4, 0.6, 0.8, 1.0], [10.0, 20.0, 30.0, 40.0])
    """
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low]
    raw = (high - low) / n
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= raw * 0.99)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def drawing(parts: Iterable[str], *, width: float, height: float, label: str, classes: str = "") -> Markup:
    """Return a chart as one SVG element, with what it says for those who cannot see it."""
    name = html.escape(label, quote=True)
    body = "".join(parts)
    return Markup(  # noqa: S704 - its parts are numbers, classes of ours, and escaped texts
        f'<svg class="chart {classes}" viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{name}">{body}</svg>'
    )


def text(x: float, y: float, words: str, *, classes: str = "", anchor: str = "start", more: str = "") -> str:
    """Return a text; its baseline begins, is centred on or ends at (x, y)."""
    return f'<text x="{x:g}" y="{y:g}" class="{classes}" text-anchor="{anchor}"{more}>{html.escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, *, classes: str) -> str:
    """Return a straight line."""
    return f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" class="{classes}"/>'


def rect(x: float, y: float, width: float, height: float, *, classes: str, opacity: float = 1.0, note: str = "") -> str:
    """Return a filled rectangle, with a note that a pointer shows."""
    shade = "" if opacity >= 1 else f' fill-opacity="{opacity:.3g}"'
    title = f"<title>{html.escape(note)}</title>" if note else ""
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{max(width, 0):g}" height="{max(height, 0):g}" class="{classes}"{shade}>'
        f"{title}</rect>"
    )


def circle(x: float, y: float, radius: float, *, classes: str, note: str = "") -> str:
    """Return a dot, with a note that a pointer shows."""
    title = f"<title>{html.escape(note)}</title>" if note else ""
    return f'<circle cx="{x:g}" cy="{y:g}" r="{radius:.3g}" class="{classes}">{title}</circle>'


def path(points: Sequence[tuple[float, float] | None], *, classes: str) -> str:
    """Return a line through points; None interrupts it."""
    commands, pen = [], "M"
    for point in points:
        if point is None:
            pen = "M"
            continue
        commands.append(f"{pen}{point[0]:g} {point[1]:g}")
        pen = "L"
    return f'<path d="{" ".join(commands)}" class="{classes}"/>'


def shortened(words: str, *, width: float, end: Literal["end", "start"] = "end") -> str:
    """Return a text cut to so many px, at its end or, where that tells more, at its start.

    >>> shortened("a very long name of a class", width=62), shortened("layers.stages.3", width=50, end="start")
    ('a very lo…', '…tages.3')
    """
    n = max(1, int(width / CHARACTER))
    if len(words) <= n:
        return words
    return words[: n - 1] + "…" if end == "end" else "…" + words[len(words) - n + 1 :]
