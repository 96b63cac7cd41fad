"""How a rate runs over a phase: the share of its peak at a step, a pure function in (0, 1]."""

from __future__ import annotations

from math import cos, pi

from unfreeze.plans.phase import Schedule

__all__ = ["rate_share"]

RISE = 0.3  # share of a one-cycle phase in which rates rise
START = 1 / 25  # of the peak, where a cycle starts
END = 1e-4  # of the peak, where a cycle and a cosine end


def rate_share(schedule: Schedule, step: int, *, n_steps: int, warmup: float = 0.0) -> float:
    """Return the rate of one optimizer step as a share of the phase's peak rate.

    `constant` stays at the peak; `cosine` falls from it (Loshchilov & Hutter 2017); `one-cycle` rises to it
    over the first 30% of the steps and falls from there, both as half a cosine (Smith & Topin 2018, shaped
    as in fastai; momentum stays as it is). A warm-up rises linearly to the peak before `constant` and
    `cosine`. Every phase has a step at its peak, and no step at zero: a rate of zero means frozen.

    >>> [round(rate_share("cosine", step, n_steps=4), 3) for step in range(4)]
    [1.0, 0.75, 0.25, 0.0]

    Args:
        schedule: The shape.
        step: Steps taken in this phase, 0 … n_steps - 1.
        n_steps: Steps that the phase is planned to take.
        warmup: Share of the phase, in [0, 1).
    """
    assert 0 <= step < n_steps, f"step {step} of {n_steps}"
    last = n_steps - 1
    n_rising = int(RISE * n_steps) if schedule == "one-cycle" else min(int(warmup * n_steps), last)
    if step < n_rising:
        if schedule == "one-cycle":
            return _half_cosine(START, 1.0, step / n_rising)
        return (step + 1) / (n_rising + 1)
    if schedule == "constant" or last == n_rising:
        return 1.0
    return _half_cosine(1.0, END, (step - n_rising) / (last - n_rising))


def _half_cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + cos(pi * share)) / 2
