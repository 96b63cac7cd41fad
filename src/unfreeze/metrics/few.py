"""When test pictures are too few for a figure to say much."""

from __future__ import annotations

__all__ = ["few_test_pictures"]

FEW = 100  # observations: below it a 95% interval of an accuracy spans some 15 points and more


def few_test_pictures(n_pictures: int, *, n_groups: int | None = None) -> str:
    """Return a sentence that says that test pictures are few; empty where they are not.

    Pictures of one group (a patient, an item) count as one observation, as they do in intervals.

    >>> few_test_pictures(40), few_test_pictures(400)
    ('40 test pictures are few: read the interval, not the figure.', '')
    >>> few_test_pictures(400, n_groups=12)
    '400 test pictures of 12 groups are few: read the interval, not the figure.'

    Args:
        n_pictures: how many pictures test.
        n_groups: how many groups they belong to; None: each stands for itself.
    """
    if (n_pictures if n_groups is None else n_groups) >= FEW:
        return ""
    groups = "" if n_groups is None else f" of {n_groups} group{'s' if n_groups != 1 else ''}"
    return f"{n_pictures} test pictures{groups} are few: read the interval, not the figure."
