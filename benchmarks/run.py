"""The benchmark: unfreeze and its peers on the same pictures, split, weights and epochs, in turn, several times.

    make bench
    python benchmarks/run.py --data photos/ --name photos --scenarios head-10,full --contestants unfreeze,plain

Finished cells are in the results file at once and are not measured again; a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from measuring import machine, measure, versions_in
from results import Results
from scenarios import CONTESTANTS, SCENARIOS, UNFREEZE, WARM, Contestant, Scenario
from showing import show
from splitting import Layout, lay_out

HERE = Path(__file__).resolve().parent
SECOND_SEED = 1000  # what the warm training adds to the seed: it is another training, not the same again


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What every cell of one benchmark has in common."""

    layout: Layout
    weights: Path
    work: Path
    peers_python: Path
    size: int
    batch_size: int
    has_cache: bool  # whether this unfreeze has a cache to be empty or filled

    def run_cell(self, scenario: Scenario, contestant: Contestant, repeat: int) -> dict[str, Any] | None:
        """Measure one training; None, and its output named, if it fails."""
        room = self.work / "cells" / f"{scenario.name}-{contestant.name}-{repeat}"
        shutil.rmtree(room, ignore_errors=True)
        room.mkdir(parents=True)
        if contestant == WARM and not self.cache_of(scenario, repeat).is_dir():  # the cold training was measured before
            cold = self.unfreeze_command(scenario, UNFREEZE, room / "cold", repeat)
            measure(cold, log=room / "cold.txt", environment=_environment(contestant))
        if contestant.cache == "empty":
            shutil.rmtree(self.cache_of(scenario, repeat), ignore_errors=True)
        log = self.work / "logs" / f"{room.name}.txt"
        measured = measure(
            self.command(scenario, contestant, room, repeat), log=log, environment=_environment(contestant)
        )
        if measured.exit_code:
            print(f"failed with exit code {measured.exit_code}; its output: {log}", file=sys.stderr)
            return None
        result = _unfreeze_result(room / "run") if contestant.script is None else _peer_result(room)
        shutil.rmtree(room)
        if contestant == WARM:
            shutil.rmtree(self.cache_of(scenario, repeat), ignore_errors=True)
        cell = {
            "scenario": scenario.name,
            "contestant": contestant.name,
            "repeat": repeat,
            **asdict(measured),
            **result,
        }
        del cell["exit_code"]
        return cell

    def command(self, scenario: Scenario, contestant: Contestant, room: Path, repeat: int) -> list[str | Path]:
        """Return the whole command of a cell."""
        if contestant.script is None:
            return self.unfreeze_command(scenario, contestant, room / "run", repeat)
        return [
            self.peers_python, HERE / "peers" / contestant.script,
            "--split", self.layout.split, "--weights", self.weights, "--out", room / "result.json",
            "--epochs", str(scenario.epochs), "--head-epochs", str(scenario.head_epochs),
            "--train", ",".join(scenario.train), "--lr", str(scenario.lr), "--lr-body", str(scenario.lr_body),
            "--size", str(self.size), "--batch-size", str(self.batch_size), "--seed", str(repeat),
        ]  # fmt: skip

    def unfreeze_command(self, scenario: Scenario, contestant: Contestant, out: Path, repeat: int) -> list[str | Path]:
        """Return unfreeze's own command; no picture is varied, since the peers vary none either."""
        return [
            sys.executable, "-m", "unfreeze.cli", "train", self.layout.folder, "--out", out, "--json",
            "--strategy", scenario.strategy, "--epochs", str(scenario.epochs), "--augment", "none",
            "--size", str(self.size), "--batch-size", str(self.batch_size),
            "--seed", str(repeat + SECOND_SEED if contestant == WARM else repeat),
            *(("--cache-dir", self.cache_of(scenario, repeat)) if self.has_cache else ()),
            *contestant.options,
        ]  # fmt: skip

    def cache_of(self, scenario: Scenario, repeat: int) -> Path:
        """Return where the cold and the warm training of a repeat have their cache."""
        return self.work / "caches" / f"{scenario.name}-{repeat}"


def main() -> None:
    """Measure what is missing, then show the table."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that no training is left behind
    given = _arguments()
    scenarios = _chosen(given.scenarios, SCENARIOS)
    contestants = _chosen(given.contestants, CONTESTANTS)
    if given.epochs is not None:
        scenarios = [scenario.shortened(given.epochs) for scenario in scenarios]
    work = given.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    layout = lay_out(given.data or _solar_cells(work), work=work, limit=given.limit)
    has_cache = _has_cache()
    if not has_cache and WARM in contestants:
        print("This unfreeze has no --cache-dir: the training on a filled cache is left out.", file=sys.stderr)
        contestants.remove(WARM)
    bench = Bench(
        layout=layout,
        weights=_weights(work),
        work=work,
        peers_python=given.peers_python.absolute(),  # not resolved: a venv's Python is a link
        size=given.size,
        batch_size=given.batch_size,
        has_cache=has_cache,
    )
    results = Results(given.out / f"{given.name}.json", _setting(bench, given.epochs))
    failed = _measure_all(bench, results, scenarios, contestants, given.repeats)
    show(results.content)
    sys.exit(1 if failed else 0)


def _measure_all(
    bench: Bench, results: Results, scenarios: Sequence[Scenario], contestants: Sequence[Contestant], n_repeats: int
) -> list[str]:
    """Measure every cell that is missing, and return those that failed."""
    missing = [cell for cell in _cells(scenarios, contestants, n_repeats) if not results.has(*_key(cell))]
    if missing:
        _warm_up(bench, contestants)
    failed = []
    for number, (scenario, contestant, repeat) in enumerate(missing, start=1):
        title = f"{scenario.title}: {contestant.title}, repeat {repeat + 1}"
        print(f"[{number}/{len(missing)}] {title} …", file=sys.stderr, flush=True)
        cell = bench.run_cell(scenario, contestant, repeat)
        if cell is None:
            failed.append(title)
            continue
        results.add(cell)
        accuracy = "" if cell["test_accuracy"] is None else f", test accuracy {cell['test_accuracy']:.3f}"
        print(f"    {cell['wall_seconds']:.1f} s{accuracy}", file=sys.stderr, flush=True)
    return failed


def _cells(
    scenarios: Sequence[Scenario], contestants: Sequence[Contestant], n_repeats: int
) -> Iterator[tuple[Scenario, Contestant, int]]:
    """Yield the cells in turn: each repeat begins with another contestant, the warm training follows the cold one."""
    cold = [contestant for contestant in contestants if contestant != WARM]
    for repeat in range(n_repeats):
        shift = repeat % max(1, len(cold))
        for scenario in scenarios:
            for contestant in cold[shift:] + cold[:shift] or contestants:
                if scenario.name in contestant.scenarios:
                    yield scenario, contestant, repeat
                if contestant == UNFREEZE and WARM in contestants and scenario.name in WARM.scenarios:
                    yield scenario, WARM, repeat


def _key(cell: tuple[Scenario, Contestant, int]) -> tuple[str, str, int]:
    scenario, contestant, repeat = cell
    return scenario.name, contestant.name, repeat


def _warm_up(bench: Bench, contestants: Sequence[Contestant]) -> None:
    """Read every picture, library and weight once, so that nobody pays the disk for those who come later."""
    print("Reading pictures and libraries once …", file=sys.stderr, flush=True)
    for file in bench.layout.folder.rglob("*.*"):
        file.read_bytes()
    log = bench.work / "logs" / "warm-up.txt"
    for contestant in contestants:
        if contestant.script is None:
            command = [sys.executable, "-c", "import accelerate, sklearn, timm, torch, torchvision, unfreeze.cli"]
        else:
            command = [bench.peers_python, HERE / "peers" / contestant.script, "--help"]
        if measure(command, log=log, environment=_environment(contestant)).exit_code:
            raise SystemExit(f"error: {contestant.title} cannot be imported:\n{log.read_text(encoding='utf-8')}")


def _environment(contestant: Contestant) -> dict[str, str]:
    """Return the environment of a training: no model hub, no notices, and the peers without our sources."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
    if contestant.script is not None:
        environment.pop("PYTHONPATH", None)
    return environment


def _unfreeze_result(run: Path) -> dict[str, Any]:
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    timing = record["timing"]
    return {
        "test_accuracy": record["metrics"]["test"]["accuracy"]["value"],
        "train_seconds": round(timing["prefix_seconds"] + timing["train_seconds"], 3),
        "timing": timing,
        "engine": record["engine"],
        "hit_ratio": record["cache"]["hit_ratio"],
    }


def _peer_result(room: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads((room / "result.json").read_text(encoding="utf-8"))
    return result


def _setting(bench: Bench, epochs: int | None) -> dict[str, Any]:
    """Return what must be the same for all cells of a results file."""
    return {
        "settings": {"size": bench.size, "batch_size": bench.batch_size, "epochs": epochs or "as the scenario says"},
        "pictures": bench.layout.described(),
        "machine": machine(),
        "versions": {
            "unfreeze": versions_in(sys.executable, environment=_environment(UNFREEZE)),
            "peers": versions_in(bench.peers_python, environment=_environment(CONTESTANTS[-1])),
        },
    }


def _has_cache() -> bool:
    command = [sys.executable, "-m", "unfreeze.cli", "train", "--help"]
    return "--cache-dir" in subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _solar_cells(work: Path) -> Path:
    from unfreeze.data.samples import write_solar_cells

    return write_solar_cells(work / "solar-cells", n_images=800)


def _weights(work: Path) -> Path:
    """Return the peers' weights; written by a process of its own, so that this one stays small."""
    path = work / "tf_efficientnet_lite0.safetensors"
    if not path.exists():
        subprocess.run([sys.executable, str(HERE / "weights.py"), str(path)], check=True)
    return path


def _chosen(names: str | None, known: Sequence[Any]) -> list[Any]:
    if names is None:
        return list(known)
    by_name = {one.name: one for one in known}
    wanted = [name.strip() for name in names.split(",")]
    wrong = [name for name in wanted if name not in by_name]
    if wrong:
        raise SystemExit(f"error: there is no {', '.join(wrong)}; there are {', '.join(by_name)}.")
    return [by_name[name] for name in by_name if name in wanted]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder of class folders [default: 800 solar cells]")
    parser.add_argument("--limit", type=int, help="about so many pictures, evenly from the classes")
    parser.add_argument("--name", default="bench", help="of the results file")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--scenarios", help=f"some of {', '.join(one.name for one in SCENARIOS)}")
    parser.add_argument("--contestants", help=f"some of {', '.join(one.name for one in CONTESTANTS)}")
    parser.add_argument("--epochs", type=int, help="in place of every scenario's own, for a first try")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--peers-python", type=Path, default=HERE.parent / ".venv-bench" / "bin" / "python")
    parser.add_argument("--work", type=Path, default=HERE / ".work", help="layout, weights, logs, caches")
    parser.add_argument("--out", type=Path, default=HERE / "results", help="folder of the results")
    return parser.parse_args()


if __name__ == "__main__":
    main()
