"""From arguments to an exit code: parsing, errors in one style, signals, and what goes to stdout and stderr."""

import atexit
import contextlib
import difflib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any, NoReturn

from cyclopts import App, CycloptsError
from cyclopts.exceptions import MissingArgumentError, UnknownCommandError, UnknownOptionError, UnusedCliTokensError

from unfreeze.cli.answer import Answer, print_answer, print_json
from unfreeze.cli.application import build_app
from unfreeze.errors import ConfigError, InterruptedRunError, UnfreezeError, did_you_mean

__all__ = ["main", "run"]

FAILED, INTERRUPTED = 1, 130
CLOSE = 0.7  # how alike a wrong option and the one offered must be, 0 to 1


def run() -> NoReturn:
    """Run the command in `sys.argv` and end the process with its exit code.

    What the interpreter would do then (clearing some 10,000 modules' worth of objects after PyTorch was used) takes a
    second and serves nobody; what was registered to happen at the end does happen.
    """
    code = main()
    atexit._run_exitfuncs()  # noqa: SLF001 - the interpreter's own way to call them has no public name
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 2 the user's error, 1 failed, 130 interrupted.

    Args:
        arguments: What follows `unfreeze` on the command line; `sys.argv` if left out.
    """
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    as_json = "--json" in tokens
    try:
        with _sigterm_interrupts():
            answer = _call(tokens, as_json=as_json)
        if answer is not None:
            print_answer(answer)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read our output has seen enough, as `unfreeze models | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except UnfreezeError as error:
        return _report(error, code=error.exit_code, as_json=as_json)
    except KeyboardInterrupt:  # what has something to go on with says so itself, by an InterruptedRunError
        return _report(InterruptedRunError("Interrupted."), code=INTERRUPTED, as_json=as_json)
    except Exception as error:  # noqa: BLE001 - the last resort: no user should meet a bare traceback
        return _report(error, code=FAILED, as_json=as_json)
    return 0


def _call(tokens: Sequence[str], *, as_json: bool) -> Answer | None:
    app = build_app()
    # With --json, what a library prints by the way must not get between a script and its JSON.
    aside: Any = contextlib.redirect_stdout(sys.stderr) if as_json else contextlib.nullcontext()
    with aside:
        try:
            answer: Answer | None = app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
        except CycloptsError as error:
            raise ConfigError(_parse_error(error, app)) from None
    return answer


def _parse_error(error: CycloptsError, app: App) -> str:
    """Say what is wrong with the arguments in our own style, with the nearest command or option."""
    command = " ".join(error.command_chain or ())
    see = f"See `unfreeze {command} --help`." if command else "See `unfreeze --help`."
    match error:
        case UnknownCommandError() if error.unused_tokens:
            got, known = error.unused_tokens[0], [name for name in app if not name.startswith("-")]
            return f'There is no command "{got}".{did_you_mean(got, known)} The commands are {", ".join(known)}.'
        case UnknownOptionError():
            got = (error.token.keyword or error.token.value).split("=", 1)[0]
            known = [name for argument in error.argument_collection for name in argument.names]
            near = difflib.get_close_matches(got, known, n=1, cutoff=CLOSE)
            hint = f" Did you mean {near[0]}?" if near else ""
            return f"There is no option {got}.{hint} {see}"
        case UnusedCliTokensError() if error.unused_tokens:
            return f'Did not expect "{" ".join(error.unused_tokens)}". {see}'
        case MissingArgumentError() if error.argument is not None:
            given = error.keyword or error.argument.name
            return f"{given} needs a value. {see}" if given.startswith("-") else f"{given} is missing. {see}"
        case _:
            return f"{str(error).strip()} {see}"


def _report(error: Exception, *, code: int, as_json: bool) -> int:
    """Print an error on stderr, with --json also as the one object on stdout; return the exit code."""
    expected = isinstance(error, UnfreezeError)
    message = str(error) if expected else f"{type(error).__name__}: {error}"
    print(f"error: {message}", file=sys.stderr)
    if os.environ.get("UNFREEZE_DEBUG"):
        traceback.print_exception(error, file=sys.stderr)
    elif not expected:
        print("Set UNFREEZE_DEBUG=1 and run it again to see where this happened.", file=sys.stderr)
    if as_json:
        print_json({"error": {"type": type(error).__name__, "message": message, "exit_code": code}})
    return code


@contextlib.contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """Treat SIGTERM as Ctrl-C, so that both end a command in the same orderly way."""
    if threading.current_thread() is not threading.main_thread():  # Python gives signals to the main thread alone
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
