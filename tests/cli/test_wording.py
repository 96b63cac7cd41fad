from __future__ import annotations

import pytest

from unfreeze.cli.wording import bytes_text, count_text, interval_text, metrics_text, percent_text, rate_text, time_text
from unfreeze.records import Interval


@pytest.mark.parametrize(
    ("n", "text"),
    [(0, "0"), (2562, "2,562"), (9999, "9,999"), (10_000, "10 k"), (3_372_610, "3.37 M"), (4.1e9, "4.1 G")],
)
def test_counts(n: float, text: str) -> None:
    assert count_text(n) == text


@pytest.mark.parametrize(("n", "text"), [(12, "12 B"), (94_100_000, "94.1 MB"), (1_070_000_000, "1.07 GB")])
def test_bytes(n: float, text: str) -> None:
    assert bytes_text(n) == text


@pytest.mark.parametrize(
    ("lr", "text"), [(0, "0"), (1e-3, "1e-3"), (2.5e-4, "2.5e-4"), (0.1, "1e-1"), (3.846e-5, "3.8e-5")]
)
def test_rates(lr: float, text: str) -> None:
    assert rate_text(lr) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (7.31, "7.3 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1:00 min"),
        (125, "2:05 min"),
        (3720, "1:02 h"),
    ],
)
def test_times(seconds: float, text: str) -> None:
    assert time_text(seconds) == text


def test_intervals_and_shares_that_are_not_known_say_so() -> None:
    assert interval_text(Interval(value=0.871, low=0.802, high=0.925)) == "0.871 (0.802 to 0.925)"
    assert interval_text(Interval(value=0.871, low=None, high=None)) == "0.871"
    assert interval_text(Interval(value=None, low=None, high=None)) == "not known"
    assert percent_text(None) == "–"
    assert percent_text(0.804) == "80%"


def test_the_metric_that_matters_comes_first() -> None:
    one = Interval(value=1.0, low=0.9, high=1.0)
    assert metrics_text({"accuracy": one, "mae": one}, first="mae")[0].startswith("  mae       1.000")
