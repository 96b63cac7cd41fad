"""How far outputs are apart."""

from __future__ import annotations

import math

import pytest
import torch

from unfreeze.engines.deviation import deviation


def test_deviation_is_relative_to_the_largest_value_of_each_output_and_the_worst_counts() -> None:
    expected = (torch.tensor([1e-6, -100.0]), torch.tensor([2.0, 4.0]))
    got = (torch.tensor([2e-6, -100.0]), torch.tensor([2.0, 4.4]))
    assert deviation(got, expected) == pytest.approx(0.1)
    assert deviation(expected, expected) == 0


@pytest.mark.parametrize(
    "got",
    [
        (torch.tensor([1.0, math.nan]),),
        (torch.tensor([1.0, math.inf]),),
        (torch.tensor([1.0]),),
        (torch.tensor([[1.0, 2.0]]),),
        (torch.tensor([1, 2]),),
        (),
    ],
)
def test_what_cannot_be_compared_is_infinitely_far(got: tuple[torch.Tensor, ...]) -> None:
    assert deviation(got, (torch.tensor([1.0, 2.0]),)) == math.inf


def test_not_a_number_in_both_is_infinitely_far() -> None:
    unknown = (torch.tensor([1.0, math.nan]),)
    assert deviation(unknown, unknown) == math.inf


def test_zeros_are_met_by_zeros_only() -> None:
    assert deviation((torch.zeros(2),), (torch.zeros(2),)) == 0
    assert deviation((torch.full((2,), 1e-9),), (torch.zeros(2),)) == math.inf
