"""`unfreeze advise` as a user runs it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

import unfreeze as uf
from unfreeze.advice_records import WayRecord
from unfreeze.cli.advice import verdict_of


@pytest.mark.slow
def test_an_advice_ends_with_the_command_that_trains(
    unfreeze: Callable[..., Any], pets: Path, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    options = (*tiny, "--epochs", "2", "--seed", "3")
    outcome = unfreeze("advise", pets, *options, "--budget", "30s", "--out", tmp_path / "a")
    assert outcome.code == 0
    last = outcome.out.strip().splitlines()[-1]
    command = f"unfreeze train {pets} --plan {tmp_path / 'a'}/plan.toml --no-pretrained --seed 3"
    assert last == f"Next:   {command}"
    assert outcome.out.count("← take this") == 1
    for part in ("all depths", "head2toe", "stages:1", "out of fold", "Why:", "frozen features"):
        assert part in outcome.out
    trained = unfreeze(*command.split()[1:], "--out", tmp_path / "run", "--json")
    assert trained.code == 0
    assert uf.load(tmp_path / "run").record.config.seed == 3


def test_json_is_advice_json_and_where_it_is(
    unfreeze: Callable[..., Any], pets: Path, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    outcome = unfreeze("advise", pets, *tiny, "--budget", "0.001s", "--out", tmp_path / "a", "--json")
    assert outcome.code == 0
    assert outcome.json["advice"] == str(tmp_path / "a")
    assert outcome.json["status"] == "stopped"
    assert outcome.json["next"] == outcome.json["command"]
    assert outcome.json["expected"]["value"] is None


def test_a_budget_too_small_for_anything_suggests_a_larger_one(
    unfreeze: Callable[..., Any], pets: Path, tiny: tuple[str, ...], tmp_path: Path
) -> None:
    outcome = unfreeze("advise", pets, *tiny, "--budget", "0.001s", "--out", tmp_path / "a")
    assert (
        outcome.out.strip().splitlines()[-1].startswith("Next:   ask again with a larger --budget; or train untold: ")
    )


def test_help_leaves_out_what_an_advice_finds_out(unfreeze: Callable[..., Any]) -> None:
    shown = unfreeze("advise", "--help").out
    assert "--epochs" in shown
    assert not {"--lr", "--strategy", "--views", "--hidden", "--solver"} & set(shown.split())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--budget", "never"), "--budget must be a time"),
        (("--lr", "0.1"), "--lr contradicts advise"),
        (("--strategy", "full"), "--strategy contradicts advise"),
        (("--balance", "sampling"), "--balance sampling contradicts advise"),
        (("--precision", "bf16"), "--precision bf16 contradicts advise"),
        (("--select-features", "auto"), "--select-features contradicts advise, whose heads read all features"),
        (("--models", "vgg16,vgg16"), "--model contradicts --models"),
        (("--metric", "mae"), "mae"),
    ],
)
def test_the_users_errors_end_with_2(
    unfreeze: Callable[..., Any],
    pets: Path,
    tiny: tuple[str, ...],
    tmp_path: Path,
    arguments: tuple[str, ...],
    expected: str,
) -> None:
    outcome = unfreeze("advise", pets, *tiny, *arguments, "--out", tmp_path / "a")
    assert outcome.code == 2
    assert expected in outcome.err
    assert not (tmp_path / "a").exists()


def test_the_verdict_admits_what_cannot_be_told(pets: Path, tmp_path: Path) -> None:
    record = uf.advise(
        pets, model="test_efficientnet", pretrained=False, size=32, budget=0.001, out=tmp_path / "a"
    ).record
    assert "nothing was measured" in verdict_of(record)
    expected = msgspec.structs.replace(record.expected, value=0.9, low=0.8, high=0.95, judged_on="validation")
    known = msgspec.structs.replace(record, expected=expected)
    tried = WayRecord(
        name=known.way, strategy=known.strategy, model=known.model, size=known.size, epochs=known.epochs, frozen=True,
        status="done", work=9.0,
    )  # fmt: skip
    for other, start in (
        ({"name": "another"}, "the best head on frozen features, head"),
        ({"model": "another"}, "the best head of the cheapest network within one standard error of the best, head"),
    ):
        ways = (tried, msgspec.structs.replace(tried, **other))
        evidence = msgspec.structs.replace(known.evidence, ways=ways, learned=True)
        text = verdict_of(msgspec.structs.replace(known, evidence=evidence))
        assert text.startswith(f"Cannot tell; take {start}")
    assert verdict_of(msgspec.structs.replace(known, can_tell=True)).startswith("Take ")
    few = msgspec.structs.replace(known, evidence=msgspec.structs.replace(known.evidence, learned=None))
    assert verdict_of(few).startswith("Too few pictures to tell")
    chance = msgspec.structs.replace(known.evidence, learned=False)
    assert verdict_of(msgspec.structs.replace(known, evidence=chance)).startswith("Nothing learns these labels")
