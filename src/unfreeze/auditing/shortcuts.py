"""Properties of files that give the label away without a look at what the picture shows.

In a public set of brain scans (METHODS.md, trap 17) nearly every healthy scan is stored as RGB and most of one
tumour as greyscale: the classes were collected from different sources. A network learns the source.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from unfreeze.auditing.findings import Finding
from unfreeze.data import Dataset, Fingerprint

__all__ = ["MIN_CRAMERS_V", "cramers_v", "shortcut_findings"]

MIN_CRAMERS_V = 0.3
MIN_COMMON = 5  # pictures that a mode, format or size must have to be looked at by itself
N_PERMUTATIONS = 199  # none may reach the real association: p ≤ 0.005
N_BINS = 5
N_SHOWN = 6
REMEDY = (
    "Find out why: pictures of different labels probably come from different sources, which a network can tell by "
    "framing, noise or compression. Collect every label from the same sources, or test on pictures from another one; "
    "a score on these says little."
)


def shortcut_findings(dataset: Dataset, fingerprints: Sequence[Fingerprint]) -> list[Finding]:
    """Return findings about channel mode, size and file format that predict the label.

    A property is reported if its bias-corrected Cramér's V with the label (with one of several labels, with the
    fifths of a value) is at least 0.3, and larger than in each of 199 random assignments of labels.
    """
    if not fingerprints:
        return []
    sizes = np.array([f.size for f in fingerprints], dtype=np.float64)
    properties: Mapping[str, Sequence[tuple[str, list[str]]]] = {
        "UF501": [("channel mode", _common([f.mode for f in fingerprints]))],
        "UF502": [
            ("size", _common([f"{f.size[0]}×{f.size[1]}" for f in fingerprints])),
            ("number of pixels", _fifths(sizes.prod(axis=1), "pixels")),
            ("aspect ratio", _fifths(sizes[:, 0] / sizes[:, 1], "width/height")),
        ],
        "UF503": [("file format", _common([f.format for f in fingerprints]))],
    }
    found = []
    for code, candidates in properties.items():
        strongest = max((_association(dataset, values) for _, values in candidates), key=lambda one: one[0])
        name, values = next(one for one in candidates if _association(dataset, one[1]) == strongest)
        value, label = strongest
        if value >= MIN_CRAMERS_V and _beats_chance(_codes(values), _labels(dataset)[label], value):
            found.append(_finding(code, dataset, (name, values), label, value))
    return found


def cramers_v(table: npt.NDArray[np.number]) -> float:
    """Return the bias-corrected Cramér's V of a table of counts, 0 (independent) to 1 (one gives the other).

    Bergsma, "A bias-correction for Cramér's V and Tschuprow's T", 2013: without the correction, many rare
    categories look associated with anything.

    >>> cramers_v(np.array([[50, 0], [0, 50]]))
    1.0
    >>> cramers_v(np.array([[25, 25], [25, 25]]))
    0.0
    """
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    n, (n_rows, n_columns) = table.sum(), table.shape
    if min(n_rows, n_columns) <= 1 or n <= 1:
        return 0.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / n
    phi2 = ((table - expected) ** 2 / expected).sum() / n
    surplus = max(0.0, phi2 - (n_rows - 1) * (n_columns - 1) / (n - 1))
    rows, columns = (k - (k - 1) ** 2 / (n - 1) for k in (n_rows, n_columns))
    least = min(rows, columns) - 1
    return float(min(1.0, np.sqrt(surplus / least))) if least > 0 else 0.0


def _labels(dataset: Dataset) -> dict[str, npt.NDArray[np.int64]]:
    """Return what is to be predicted, as codes: the class, each label, the fifths of each value."""
    if dataset.task == "classification":
        return {"label": dataset.targets}
    columns = zip(dataset.outputs, dataset.targets.T, strict=True)
    if dataset.task == "multilabel":
        return {name: column.astype(np.int64) for name, column in columns}
    return {name: _codes(_fifths(column, name)) for name, column in columns}


def _association(dataset: Dataset, values: list[str]) -> tuple[float, str]:
    """Return the strongest association of a property with a label, and which label it is."""
    codes = _codes(values)
    return max((cramers_v(_table(codes, label)), name) for name, label in _labels(dataset).items())


def _beats_chance(codes: npt.NDArray[np.int64], label: npt.NDArray[np.int64], value: float) -> bool:
    rng = np.random.default_rng(0)
    return all(cramers_v(_table(codes, rng.permutation(label))) < value for _ in range(N_PERMUTATIONS))


def _table(rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    n_rows, n_columns = int(rows.max()) + 1, int(columns.max()) + 1
    return np.bincount(rows * n_columns + columns, minlength=n_rows * n_columns).reshape(n_rows, n_columns)


def _finding(code: str, dataset: Dataset, shortcut: tuple[str, list[str]], label: str, value: float) -> Finding:
    name, values = shortcut
    table = _table(_codes(values), _labels(dataset)[label])
    informed, blind = table.max(axis=1).sum() / table.sum(), table.sum(axis=0).max() / table.sum()
    target = "the label" if label == "label" else f'"{label}"'
    usual = Counter(values).most_common(1)[0][0]
    return Finding(
        code,
        f"The {name} predicts {target} (Cramér's V {value:.2f}): who knows nothing else gives {informed:.0%} of the "
        f"pictures their right label, against {blind:.0%} by always saying the most frequent. "
        f"{_counted(dataset, values, label)}",
        tuple(file for file, one in zip(dataset.files, values, strict=True) if one != usual),
        REMEDY,
    )


def _counted(dataset: Dataset, values: list[str], label: str) -> str:
    """Spell the table out where a reader can take it in."""
    names: Sequence[Any] = dataset.outputs if dataset.task == "classification" else ("without", "with")
    if dataset.task == "regression":
        return ""
    table = _table(_codes(values), _labels(dataset)[label])
    rows = []
    for kind, counts in zip(sorted(set(values)), table, strict=True):
        most = sorted(((int(n), str(names[i])) for i, n in enumerate(counts) if n), reverse=True)[:N_SHOWN]
        rows.append(f"{kind}: {', '.join(f'{which} {n}' for n, which in most)}")
    return "; ".join(rows[:N_SHOWN]) + ("; …" if len(rows) > N_SHOWN else ".")


def _codes(values: Sequence[str]) -> npt.NDArray[np.int64]:
    return np.unique(np.array(values), return_inverse=True)[1].astype(np.int64)


def _common(values: list[str]) -> list[str]:
    """Put what is rare together: a size that one picture has cannot be learned."""
    counts = Counter(values)
    return [value if counts[value] >= MIN_COMMON else "others" for value in values]


def _fifths(values: npt.NDArray[np.floating], unit: str) -> list[str]:
    """Name the fifth of the data that each value lies in."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, N_BINS + 1)[1:-1]))
    bins = np.searchsorted(edges, values, side="right")
    ends = ["-∞", *(f"{edge:.4g}" for edge in edges), "∞"]
    return [f"{unit} {ends[i]} to {ends[i + 1]}" for i in bins]
