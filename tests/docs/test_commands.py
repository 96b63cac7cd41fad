"""docs/reference/commands.md and README.md say what the command line is, no less and no more."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from unfreeze.cli.application import build_app
from unfreeze.command_words import flag
from unfreeze.records import TrainOptions

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
COMMANDS = [name for name in build_app() if not name.startswith("-")]


def section(command: str) -> str:
    found = re.search(rf"^## unfreeze {command}$(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert found is not None, f"docs/reference/commands.md has no section for unfreeze {command}"
    return found.group(1)


def options_of(command: str) -> set[str]:
    app = build_app()
    arguments = app[command].assemble_argument_collection(default_parameter=app.default_parameter)
    return {name for argument in arguments for name in argument.names if name.startswith("--")}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_a_command_is_documented_and_no_other(command: str) -> None:
    documented = set(re.findall(r"^\| `(--[a-z-]+)", section(command), flags=re.MULTILINE))
    assert documented == options_of(command)


def test_every_command_stands_in_the_overview_and_no_other() -> None:
    assert re.findall(r"^\| \[`unfreeze (\w+)`\]", PAGE, flags=re.MULTILINE) == re.findall(
        r"^## unfreeze (\w+)$", PAGE, flags=re.MULTILINE
    )
    assert set(re.findall(r"^## unfreeze (\w+)$", PAGE, flags=re.MULTILINE)) == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_prints_json_on_request(command: str) -> None:
    assert "--json" in options_of(command)


def test_every_setting_of_the_library_is_an_option_of_train() -> None:
    expected = {flag(name) for name in TrainOptions.__struct_fields__} | {"--out", "--resume", "--json"}
    assert options_of("train") == expected


def test_defaults_in_help_are_those_of_the_library(capsys: pytest.CaptureFixture[str]) -> None:
    build_app()(["train", "--help"], result_action="return_value")
    shown = " ".join(re.sub("[│╭╮╰╯─]", " ", capsys.readouterr().out).split())
    defaults = TrainOptions()
    for name in ("model", "strategy", "epochs", "batch_size", "balance", "clip", "seed", "device"):
        start = shown.index(f" {flag(name)} ")
        assert f"[default: {getattr(defaults, name)}]" in shown[start : start + 300], name


def test_every_command_is_there_and_its_help_can_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    expected = [
        "demo",
        "check",
        "advise",
        "train",
        "compare",
        "report",
        "predict",
        "evaluate",
        "export",
        "serve",
        "teach",
        "models",
        "layers",
        "plan",
        "cache",
    ]
    assert set(COMMANDS) == set(expected)
    for name in COMMANDS:
        build_app()([name, "--help"], result_action="return_value")
        assert f"unfreeze {name}" in capsys.readouterr().out


def shell_lines() -> list[str]:
    """Return the `unfreeze …` lines of the README's and the pages' shell blocks, continuation lines joined."""
    lines = []
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        text = page.read_text(encoding="utf-8")
        blocks = re.findall(r"^```(?:sh|shell|bash|console)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
        for block in blocks:
            for line in block.replace("\\\n", " ").splitlines():
                command = line.removeprefix("$ ").strip()
                if command.startswith("unfreeze "):
                    lines.append(command)
    return lines


@pytest.mark.parametrize("line", shell_lines() or ["unfreeze --help"])
def test_commands_in_shell_blocks_parse(line: str) -> None:
    tokens = shlex.split(line, comments=True)[1:]
    for end in (">", "|", "&&", ";"):
        tokens = tokens[: tokens.index(end)] if end in tokens else tokens
    build_app().parse_args(tokens, exit_on_error=False, print_error=False)
