"""docs/reference/plans.md says what a plan file may hold, no less and no more."""

from __future__ import annotations

import re
from pathlib import Path

import unfreeze as uf
from unfreeze.plans.toml import PHASE, SETTINGS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "plans.md").read_text(encoding="utf-8")


def keys_of(section: str) -> list[str]:
    (text,) = re.findall(rf"^## {section}$(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE)


def test_every_key_is_documented_and_no_other() -> None:
    assert keys_of("At the top") == ["version", *SETTINGS]
    assert sorted(keys_of(r"In each `\[\[phase\]\]`")) == sorted(PHASE)


def test_the_examples_are_plans() -> None:
    examples = re.findall(r"^```toml\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    layers = uf.plan_for("resnet50").layers
    plan, fitted = (uf.Plan.from_toml(example, layers=layers) for example in examples)
    assert [phase.name for phase in plan.phases] == ["head", "top stages"]
    assert plan.peak_lrs(1)["layer3.5.conv1"] == 1e-5
    assert fitted.phases[0].solver == "lbfgs"
