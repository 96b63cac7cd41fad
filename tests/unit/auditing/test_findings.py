"""The documentation of the findings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from unfreeze.auditing import CODES, Finding

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "findings.md"


def test_every_code_is_documented_with_its_severity_and_nothing_else_is() -> None:
    rows = re.findall(r"^\| (UF\d+) \| (\w+) \|", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert rows == [(code, severity) for code, (severity, _) in CODES.items()]


def test_a_finding_has_the_severity_and_title_of_its_code() -> None:
    finding = Finding("UF203", "message", ("a.jpg",), "remedy")
    assert (finding.severity, finding.title) == CODES["UF203"]


def test_a_finding_of_no_known_code_cannot_be_made() -> None:
    with pytest.raises(AssertionError, match="UF999"):
        Finding("UF999", "message", (), "remedy")
