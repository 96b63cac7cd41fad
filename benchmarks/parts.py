"""`python benchmarks/parts.py`: measurements of single parts of unfreeze, each against what it must reach.

A part is one function in components/ that returns readings, and a line that registers it:

    @part
    def import_time(room: Room) -> list[Reading]:
        '''`import unfreeze` takes at most 0.1 s.'''
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import components  # noqa: F401 - registers the parts
from components.registry import PARTS, Reading, Room
from measuring import Others, machine, versions_in
from results import MOST_OTHERS


def main() -> None:
    """Measure the parts asked for, print them, and keep them if told where."""
    given = _arguments()
    names = list(PARTS) if given.only is None else given.only.split(",")
    wrong = [name for name in names if name not in PARTS]
    if wrong:
        raise SystemExit(f"error: there is no part {', '.join(wrong)}; there are {', '.join(PARTS)}.")
    readings, shares = [], dict[str, float | None]()
    for name in names:
        print(f"{name} …", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="unfreeze-parts-") as folder:
            others, used = Others(), _cpu_seconds()
            room = Room(n_repeats=given.repeats, photos=given.photos, folder=Path(folder))
            readings += PARTS[name](room)
            shares[name] = others.share(cpu_seconds=_cpu_seconds() - used)
    _show(readings)
    disturbed = [name for name, share in shares.items() if (share or 0.0) > MOST_OTHERS]
    if disturbed:
        print(
            f"Other processes took more than a tenth of the machine: {', '.join(disturbed)}. Measure when it is idle."
        )
    if given.out is not None:
        content = {
            "format": 1,
            "machine": machine(),
            "versions": versions_in(sys.executable, environment={}),
            "n_repeats": given.repeats,
            "others_share": shares,
            "readings": [{**asdict(reading), "holds": reading.holds} for reading in readings],
        }
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _cpu_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _show(readings: list[Reading]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("part", "measured", "must be", "")
    marks = {True: "holds", False: "falls short", None: ""}
    for reading in readings:
        limit = "" if reading.limit is None else f"{reading.sense} {reading.limit:g} {reading.unit}"
        table.add_row(reading.name, f"{reading.value:.3g} {reading.unit}", limit, marks[reading.holds])
    Console().print(table)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help=f"some of {', '.join(PARTS)}")
    parser.add_argument("--photos", type=Path, help="a folder of large JPEG photographs [default: made up]")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="a JSON file for the readings")
    return parser.parse_args()


if __name__ == "__main__":
    main()
