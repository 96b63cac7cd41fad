"""What a head on one depth, a head on all depths and full fine-tuning reach, at two sizes: behind the default.

    python benchmarks/ways.py ../shared/data/trashnet ../shared/data/brain_mri …

Each data set is split by each seed. Everything a way chooses (its best epoch, its regularisation) it chooses on
validation; both sides are kept, and the default was chosen on validation too.
"""

from __future__ import annotations

import argparse
import tempfile
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

from recording import data_name, record_missing

import unfreeze as uf

WAYS: dict[str, dict[str, Any]] = {
    "head, adamw": {"strategy": "head"},
    "head, lbfgs": {"strategy": "head", "solver": "lbfgs"},
    "head2toe": {"strategy": "head2toe"},
    "head2toe, selected": {"strategy": "head2toe", "select_features": "auto"},
    "layerwise": {"strategy": "layerwise"},
    "full": {"strategy": "full"},
}
SIZES = (224, 320)


def main() -> None:
    """Measure what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=[*WAYS])
    parser.add_argument("--sizes", nargs="+", type=int, default=[*SIZES])
    parser.add_argument("--seeds", type=int, default=3, help="how many splits")
    given = parser.parse_args()
    keys = (
        {"data": data, "size": size, "way": way, "seed": seed}
        for seed, way, size, data in product(range(given.seeds), given.ways, given.sizes, given.data)
    )
    rows = record_missing("ways.jsonl", keys, _measured)
    _show([row for row in rows if row["data"] in set(map(data_name, given.data))])


def _measured(*, data: Path, size: int, way: str, seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        run = uf.train(data, out=Path(folder) / "run", size=size, seed=seed, **WAYS[way])
        name = run.record.primary_metric
        return {
            "metric": name,
            "val": run.metrics.val[name].value,
            "test": run.metrics.test[name].value,
            "n_test": run.record.data.split_counts["test"],
            "train_seconds": run.record.timing.train_seconds,
            **_selection(run),
        }


def _selection(run: uf.Run) -> dict[str, Any]:
    """Return which share of its features the head kept, where they were selected."""
    found = run.record.phases[0].selection
    return {} if found is None else {"share": found.share, "shares": found.shares, "share_values": found.values}


def _show(rows: list[dict[str, Any]]) -> None:
    names = sorted({row["data"] for row in rows})
    print("| way | size | " + " | ".join(names) + " | mean on validation | mean on test |")
    print("|---|---|" + "---|" * (len(names) + 2))
    for way, size in product(WAYS, SIZES):
        chosen = [row for row in rows if (row["way"], row["size"]) == (way, size)]
        if {row["data"] for row in chosen} != set(names):
            continue
        test, val = ([mean(row[s] for row in chosen if row["data"] == n) for n in names] for s in ("test", "val"))
        shown = " | ".join(f"{100 * value:.1f}" for value in (*test, mean(val), mean(test)))
        print(f"| {way} | {size} | {shown} |")


if __name__ == "__main__":
    main()
