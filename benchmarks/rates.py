"""Which rate and schedule a head on frozen layers learns best with: the measurements behind the default.

    python benchmarks/rates.py ../shared/data/trashnet ../shared/data/grocery …

Each data set is split three times; each split trains a head for ten epochs, frozen layers being computed once. The
default was chosen on validation; test pictures are shown beside it. What is in the results already is not repeated.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any

from recording import record_missing

import unfreeze as uf

SEEDS = range(3)
SCHEDULES, RATES = ("one-cycle", "cosine", "constant"), (1e-3, 3e-3, 1e-2)


def main() -> None:
    """Measure what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+", type=Path)
    keys = (
        {"data": data, "seed": seed, "schedule": schedule, "lr": lr}
        for data, seed, schedule, lr in product(parser.parse_args().data, SEEDS, SCHEDULES, RATES)
    )
    rows = record_missing("rates.jsonl", keys, _measured)
    _show(rows)


def _measured(*, data: Path, seed: int, schedule: Any, lr: float) -> dict[str, float | None]:
    plan = uf.plan_for("tf_efficientnet_lite0", strategy="head", lr=lr)
    plan = replace(plan, phases=tuple(replace(phase, schedule=schedule) for phase in plan.phases))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "plan.toml"
        file.write_text(plan.to_toml(), encoding="utf-8")
        run = uf.train(data, out=Path(folder) / "run", plan=file, seed=seed)
        name = run.record.primary_metric
        return {"val": run.metrics.val[name].value, "test": run.metrics.test[name].value}


def _show(rows: list[dict[str, Any]]) -> None:
    names = sorted({row["data"] for row in rows})
    print("| schedule | rate | " + " | ".join(names) + " | mean on validation | mean on test |")
    print("|---|---|" + "---|" * (len(names) + 2))
    for schedule, lr in product(SCHEDULES, RATES):
        chosen = [row for row in rows if (row["schedule"], row["lr"]) == (schedule, lr)]
        test, val = ([mean(row[s] for row in chosen if row["data"] == n) for n in names] for s in ("test", "val"))
        shown = " | ".join(f"{100 * value:.1f}" for value in (*test, mean(val), mean(test)))
        print(f"| {schedule} | {lr:g} | {shown} |")


if __name__ == "__main__":
    main()
