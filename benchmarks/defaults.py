"""What views and input sizes are worth for a head on frozen layers: the measurements behind the defaults.

    python benchmarks/defaults.py ../shared/data/trashnet ../shared/data/grocery …

Each data set is split three times (seeds 0, 1, 2); each split trains a head by K views at the network's own size, and
by one view at larger sizes. Settings are compared on test pictures. What is in the results already is not repeated.
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

from recording import record_missing

import unfreeze as uf

SEEDS = (0, 1, 2)
CHOICES: tuple[dict[str, Any], ...] = (
    *({"views": k, "augment": "light", "size": None} for k in (1, 2, 4, 8)),
    {"views": 4, "augment": "standard", "size": None},
    *({"views": 1, "augment": "light", "size": size} for size in (288, 320)),
)


def main() -> None:
    """Measure what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", type=Path)
    keys = (
        {"data": data, "seed": seed, **choice}
        for seed, data, choice in product(SEEDS, parser.parse_args().data, CHOICES)
    )
    rows = record_missing("defaults.jsonl", keys, _measured)
    _show(rows)


def _measured(*, data: Path, seed: int, **choice: Any) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        run = uf.train(data, out=Path(folder) / "run", strategy="head", seed=seed, **choice)
        metric = run.record.primary_metric
        n_test = run.record.data.split_counts["test"]
        return {"metric": metric, "value": run.metrics.test[metric].value, "n_test": n_test}


def _show(rows: list[dict[str, Any]]) -> None:
    names = sorted({row["data"] for row in rows})
    print("| views | augment | size | " + " | ".join(names) + " | mean |")
    print("|---|---|---|" + "---|" * (len(names) + 1))
    for choice in CHOICES:
        means = [
            mean(row["value"] for row in rows if row["data"] == name and all(row[k] == v for k, v in choice.items()))
            for name in names
        ]
        shown = " | ".join(f"{100 * value:.1f}" for value in (*means, mean(means)))
        print(f"| {choice['views']} | {choice['augment']} | {choice['size'] or 'own'} | {shown} |")


if __name__ == "__main__":
    main()
