"""What the advice is worth: against a whole grid on the same splits, judged on test pictures that chose nothing.

    python benchmarks/advice.py --data ../shared/data      # hours on two cores; stop, and go on as you like
    python benchmarks/advice.py --data ../shared/data --sets trashnet --splits 1 --max-train 120 --results tried/
    python benchmarks/advice.py --show

For each data set and each of three splits: the grid of strategies and sizes by `uf.compare`, one seed a split, from an
empty cache (advice-grid.jsonl); then advice from an empty cache of its own, with a budget that is a share of what the
set's shortest grid took (others can only have been held up; so has a set whose grids are longer than usual), and the
training that it recommends (advice.jsonl). What these files hold is not repeated, and a grid that was stopped goes on.
To judge a changed advice, delete advice.jsonl: the grids stand.
"""

from __future__ import annotations

import argparse
import shutil
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

from advice_sets import SETS, PictureSet, write_split
from advice_table import table_lines
from recording import RESULTS, Row, find_row, read_rows, record_missing

import unfreeze as uf
from unfreeze.evaluation import read_predictions

STRATEGIES = ("head", "head2toe", "stages:2", "gradual", "layerwise", "full", "lp-ft")
SIZES = (224, 320)
EPOCHS = 6
SHARE = 0.24  # of the grid's time: the budget of the advice, so that reading pictures fits into a quarter too
DIGITS = 5  # of what is kept for each picture
WORK = Path(__file__).parent / ".work" / "advice"


def main() -> None:
    """Measure what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="the folder with a folder for each data set")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=[*SETS])
    parser.add_argument("--splits", type=int, default=3, help="how many, at most 3")
    parser.add_argument("--max-train", type=int, default=400, help="the largest number of training pictures")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the folder of both files")
    parser.add_argument("--work", type=Path, default=WORK, help="where pictures and runs are put meanwhile")
    parser.add_argument("--show", action="store_true", help="print the table of what is known, and measure nothing")
    given = parser.parse_args()
    if given.splits not in range(1, 4):
        parser.error(f"--splits must be 1, 2 or 3, but got {given.splits}")
    if given.data is None and not given.show:
        parser.error("--data is missing: the folder with a folder for each data set")
    grids, advices = (str(given.results.resolve() / name) for name in ("advice-grid.jsonl", "advice.jsonl"))
    keys = [
        {"set": name, "split": number, "max_train": given.max_train}
        for number, name in product(range(given.splits), given.sets)  # a split of all sets, then the next
    ]
    if not given.show:
        record_missing(grids, keys, partial(_measured_grid, data=given.data, work=given.work))
    shortest = _shortest([row for row in read_rows(grids) if row["max_train"] == given.max_train])
    for key in [] if given.show else keys:
        budget = SHARE * shortest[key["set"]]
        record_missing(advices, [key], partial(_measured_advice, data=given.data, work=given.work, budget=budget))
    both = [(find_row(grids, key), find_row(advices, key)) for key in keys]
    shown = [grid | advice | {"grid_seconds": shortest[grid["set"]]} for grid, advice in both if grid and advice]
    print("\n".join(table_lines(shown)))


def _shortest(grids: list[Row]) -> dict[str, float]:
    """Return the time of each set's shortest grid, at most the median over sets: they compute nearly the same.

    What is above it was held up by other work on the machine, and must not give the advice a larger budget.
    """
    found: dict[str, float] = {}
    for grid in grids:
        found[grid["set"]] = min(grid["grid_seconds"], found.get(grid["set"], grid["grid_seconds"]))
    usual = median(found.values()) if found else 0.0
    return {name: min(seconds, usual) for name, seconds in found.items()}


def _measured_grid(*, data: Path, work: Path, **key: Any) -> Row:
    """Return what the grid came to on one split; what it left behind is deleted."""
    wanted, place = SETS[key["set"]], _place(work, key)
    grid = _grid(_table(data, work, key), place / "grid", _settings(wanted, key) | {"cache_dir": place / "grid-cache"})
    metric = grid.record.metric
    done = [row for row in grid.rows if row.status == "done"]
    test, n_outputs = _tested(grid.path / done[0].run, wanted)
    found = {
        "metric": metric,
        "n": grid.record.data.split_counts,
        "n_outputs": n_outputs,
        "grid_seconds": grid.record.seconds,
        "truth": _rounded(test.truth),
        "grid": [
            {
                "name": row.name, "strategy": row.strategy, "size": row.size, "val": row.val.mean,
                "test": row.test.mean, "seconds": row.seconds,
                "said": _said(grid.path / row.run, wanted, metric) if row in done else None,
            }
            for row in grid.rows
        ],
    }  # fmt: skip
    shutil.rmtree(place)
    return found


def _measured_advice(*, data: Path, work: Path, budget: float, **key: Any) -> Row:
    """Return what the advice, and the training that it recommends, came to on one split."""
    wanted, place = SETS[key["set"]], _place(work, key)
    shutil.rmtree(place, ignore_errors=True)  # of an attempt that was stopped
    settings = _settings(wanted, key) | {"cache_dir": place / "cache"}
    advice = uf.advise(_table(data, work, key), budget=budget, out=place / "advice", **settings)
    run, record = advice.train(out=place / "advised"), advice.record
    metric = record.metric
    found = {
        "budget_seconds": budget,
        "advice_seconds": record.seconds,
        "advice": {
            "name": record.way, "strategy": record.strategy, "size": record.size, "can_tell": record.can_tell,
            "status": record.status, "expected": record.expected.value, "val": run.metrics.val[metric].value,
            "test": run.metrics.test[metric].value, "seconds": run.record.timing.total_seconds,
            "said": _said(run.path, wanted, metric),
            "frozen": [
                [way.name, way.size, way.folds and way.folds.value]
                for way in record.evidence.ways if way.frozen
            ],
            "tried": [
                [way.name, way.size, way.epochs, way.val and way.val.value, way.seconds, way.why]
                for way in record.evidence.ways if not way.frozen
            ],
        },
    }  # fmt: skip
    shutil.rmtree(place)
    return found


def _place(work: Path, key: dict[str, Any]) -> Path:
    return work / f"{key['set']}-{key['split']}-{key['max_train']}"


def _table(data: Path, work: Path, key: dict[str, Any]) -> Path:
    wanted = SETS[key["set"]]
    return write_split(data, work / "pictures", wanted, number=key["split"], max_train=key["max_train"])


def _settings(wanted: PictureSet, key: dict[str, Any]) -> dict[str, Any]:
    return {
        "task": wanted.task, "target": wanted.columns, "split": "side", "seed": key["split"], "epochs": EPOCHS
    }  # fmt: skip


def _grid(table: Path, out: Path, settings: dict[str, Any]) -> uf.Comparison:
    """Compare, or go on with a comparison that was stopped; one that is finished is read."""
    if not (out / "compare.json").is_file():
        shutil.rmtree(out, ignore_errors=True)
        return uf.compare(table, strategies=STRATEGIES, sizes=SIZES, out=out, **settings)
    found = uf.Comparison(out)
    return found if found.record.status == "done" else uf.compare(out=out, resume=True)


def _tested(run: Path, wanted: PictureSet) -> tuple[Any, int]:
    """Return a run's test predictions, in the order of its table, and the number of outputs."""
    outputs = uf.load(run).record.classes
    return read_predictions(run / "predictions.csv", task=wanted.task, outputs=outputs).of("test"), len(outputs)


def _said(run: Path, wanted: PictureSet, metric: str) -> list[Any]:
    """Return what a run said of the test pictures: decisions, probabilities or values."""
    test, _ = _tested(run, wanted)
    return _rounded(test.predicted if metric == "balanced_accuracy" else test.scores)


def _rounded(values: Any) -> list[Any]:
    found: list[Any] = values.tolist() if values.dtype.kind in "iu" else values.round(DIGITS).tolist()
    return found


if __name__ == "__main__":
    main()
