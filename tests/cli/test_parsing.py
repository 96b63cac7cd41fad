from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

COMMANDS = ("cache", "check", "demo", "evaluate", "layers", "models", "plan", "predict", "report", "train")


def test_an_unknown_command_offers_the_nearest(unfreeze: Callable[..., Any]) -> None:
    done = unfreeze("trian", "pictures")
    assert done.code == 2
    assert done.out == ""
    assert done.err.startswith('error: There is no command "trian". Did you mean "train"?')


def test_an_unknown_option_offers_the_nearest(unfreeze: Callable[..., Any]) -> None:
    done = unfreeze("train", "pictures", "--epoch", "3")
    assert done.code == 2
    assert done.err == "error: There is no option --epoch. Did you mean --epochs? See `unfreeze train --help`.\n"


@pytest.mark.parametrize("option", ["--folds"])
def test_options_of_later_are_unknown_and_nothing_unrelated_is_offered(
    unfreeze: Callable[..., Any], option: str
) -> None:
    done = unfreeze("train", "pictures", option)
    assert done.code == 2
    assert done.err == f"error: There is no option {option}. See `unfreeze train --help`.\n"


@pytest.mark.parametrize("command", ["advise", "export", "serve", "predict"])
def test_commands_that_need_something_say_so(unfreeze: Callable[..., Any], command: str) -> None:
    done = unfreeze(command)
    assert done.code == 2
    assert "is missing" in done.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("layers",), "MODEL is missing."),
        (("predict", "run"), "IMAGES is missing."),
        (("train", "x", "--epochs"), "--epochs needs a value."),
        (("train", "x", "--epochs", "ten"), 'expected a whole number, but got "ten".'),
        (("train", "x", "--epochs", "1.5"), 'expected a whole number, but got "1.5".'),
        (("train", "x", "--lr", "fast"), 'expected a number, or auto, but got "fast".'),
        (("train", "x", "--task", "guess"), 'Choose from: "auto", "classification"'),
        (("train", "x", "y", "z"), 'Did not expect "y z".'),
        (("train", "x", "--no-resume"), "There is no option --no-resume."),
    ],
)
def test_arguments_that_do_not_fit_are_one_clear_message(
    unfreeze: Callable[..., Any], arguments: tuple[str, ...], message: str
) -> None:
    done = unfreeze(*arguments)
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert message in done.err
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("option", ["--patience", "--views", "--epochs", "--size", "--seed"])
def test_whole_numbers_are_not_rounded(unfreeze: Callable[..., Any], option: str) -> None:
    outcome = unfreeze("train", "pictures", option, "2.6")
    assert outcome.code == 2
    assert 'expected a whole number, but got "2.6"' in outcome.err


@pytest.mark.parametrize(
    "arguments", [("trian",), ("train", "x", "--folds", "y"), ("report", "nowhere"), ("layers", "resnet5O")]
)
def test_with_json_an_error_is_the_one_object_on_stdout(
    unfreeze: Callable[..., Any], arguments: tuple[str, ...]
) -> None:
    done = unfreeze(*arguments, "--json")
    assert done.code == 2
    error = done.json["error"]
    assert error["exit_code"] == 2
    assert done.err == f"error: {error['message']}\n"


@pytest.mark.parametrize("arguments", [(), ("--help",), *((name, "--help") for name in COMMANDS)])
def test_help_is_shown_and_no_error(unfreeze: Callable[..., Any], arguments: tuple[str, ...]) -> None:
    done = unfreeze(*arguments)
    assert done.code == 0
    assert done.out.startswith("Usage: unfreeze")
    assert done.err == ""


def test_help_of_train_groups_its_options(unfreeze: Callable[..., Any]) -> None:
    shown = unfreeze("train", "--help").out
    titles = ("Arguments", "Data", "Network", "What trains", "Training", "Machine", "Output")
    places = [shown.index(f"╭─ {title}") for title in titles]
    assert places == sorted(places)


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["trian"], ["train", "x", "--engine"]])
def test_help_and_parse_errors_load_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from unfreeze.cli import main; main(sys.argv[1:]);"
        "print({'torch', 'timm', 'torchvision', 'sklearn', 'scipy', 'numpy'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_the_version_is_shown(unfreeze: Callable[..., Any]) -> None:
    assert unfreeze("--version").out.startswith("unfreeze 0.")


@pytest.mark.parametrize(("argument", "code"), [("--version", 0), ("trian", 2)])
def test_the_process_ends_with_the_code_and_with_all_that_was_to_happen_at_its_end(argument: str, code: int) -> None:
    program = (
        "import atexit, sys; atexit.register(print, 'at the end'); "
        f"sys.argv = ['unfreeze', {argument!r}]; from unfreeze.cli import run; run()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert done.stdout.splitlines()[-1] == "at the end"
    assert ("unfreeze" in done.stdout) == (code == 0)
    assert ("There is no command" in done.stderr) == (code == 2)
