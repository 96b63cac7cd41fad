"""Numbers as people read them: 3.4 M, 1e-3, 2:05 min, 0.871 (0.802 to 0.925)."""

import math

from unfreeze.records import Interval, Metrics, Share

__all__ = [
    "bytes_text",
    "count_text",
    "interval_text",
    "metrics_text",
    "percent_text",
    "rate_text",
    "selection_text",
    "time_text",
]

LONGEST_PLAIN = 10_000  # counts below it are written out
MINUTE, HOUR = 60, 3600  # seconds
LONGEST_EXACT = 9.95  # seconds; from here on tenths say nothing
_STEPS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def count_text(n: float) -> str:
    """Return a count in at most four characters and a unit: 2562 → "2,562", 3372610 → "3.37 M"."""
    if n < LONGEST_PLAIN:
        return f"{n:,.0f}"
    size, unit = next(step for step in _STEPS if n >= step[0])
    return f"{n / size:.3g} {unit}"


def bytes_text(n: float) -> str:
    """Return a number of bytes: 104857600 → "105 MB"."""
    size, unit = next((step for step in _STEPS if n >= step[0]), (1.0, ""))
    return f"{n / size:.3g} {unit}B"


def rate_text(lr: float) -> str:
    """Return a learning rate as it is written in plans: 0.001 → "1e-3", 0.00025 → "2.5e-4"."""
    if lr == 0:
        return "0"
    digits, exponent = f"{lr:.1e}".split("e")
    return f"{digits.removesuffix('.0')}e{int(exponent)}"


def time_text(seconds: float) -> str:
    """Return a duration: 7.31 → "7.3 s", 42 → "42 s", 125 → "2:05 min", 3720 → "1:02 h"."""
    if seconds < LONGEST_EXACT:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE}:{whole % MINUTE:02d} min"
    return f"{whole // HOUR}:{whole % HOUR // MINUTE:02d} h"


def percent_text(share: float | None) -> str:
    """Return a share as per cent, "–" where it is not known."""
    return "–" if share is None or math.isnan(share) else f"{100 * share:.0f}%"


def selection_text(share: Share | None) -> str:
    """Return on which of its features a head is fitted: 0.1 → " on 10% of the features", "" for all."""
    if share is None:
        return ""
    return " on selected features" if share == "auto" else f" on {100 * share:.3g}% of the features"


def interval_text(interval: Interval, *, digits: int = 3) -> str:
    """Return a metric with its 95% interval: "0.871 (0.802 to 0.925)"."""
    if interval.value is None:
        return "not known"
    value = f"{interval.value:.{digits}f}"
    if interval.low is None or interval.high is None:
        return value
    return f"{value} ({interval.low:.{digits}f} to {interval.high:.{digits}f})"


def metrics_text(metrics: Metrics, *, first: str) -> list[str]:
    """Return one line for each metric, the one that matters first."""
    names = sorted(metrics, key=lambda name: name != first)
    width = max((len(name) for name in names), default=0)
    return [f"  {name:<{width}}  {interval_text(metrics[name])}" for name in names]
