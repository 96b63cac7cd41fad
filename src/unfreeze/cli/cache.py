"""`unfreeze cache`: what the activation cache holds, and how to empty it."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from unfreeze.cli.answer import Answer, Column, TableOf
from unfreeze.cli.flags import MACHINE, JsonFlag
from unfreeze.cli.wording import bytes_text, count_text, time_text
from unfreeze.errors import ConfigError
from unfreeze.records import to_builtins

if TYPE_CHECKING:
    from unfreeze.cache import PassEntry

__all__ = ["cache_command"]

N_KEY_DIGITS = 12  # of 64: as many as one cares to type


def cache_command(
    action: Annotated[Literal["list", "clear"], Parameter(help="list shows what is kept; clear deletes it.")],
    keys: Annotated[
        tuple[str, ...],
        Parameter(help="clear: which passes, by how their keys begin. Without any: all.", show_default=False),
    ] = (),
    /,
    *,
    cache_dir: Annotated[
        Path | None,
        Parameter(
            group=MACHINE,
            help="Where activations are kept. [default: UNFREEZE_CACHE_DIR, else the user's cache directory]",
            show_default=False,
        ),
    ] = None,
    json: JsonFlag = False,
) -> Answer:
    """Show or empty the cache, in which the activations of frozen layers are kept for further trainings."""
    if action == "clear":
        return _clear(keys, cache_dir, as_json=json)
    if keys:
        raise ConfigError("`unfreeze cache list` shows all passes and takes no keys; only clear does.")
    return _list(cache_dir, as_json=json)


_COLUMNS = (
    Column(title="key", whole=True),
    Column(title="network"),
    Column(title="up to"),
    Column(title="input, px"),
    Column(title="views"),
    Column(title="engine"),
    Column(title="rows", right=True),
    Column(title="size", right=True),
    Column(title="last used", right=True),
)


def _list(directory: Path | None, *, as_json: bool) -> Answer:
    from unfreeze.cache import list_cache

    contents = list_cache(directory)
    if not contents.passes:
        shown: list[str | TableOf] = [f'The cache in "{contents.directory}" is empty.']
    else:
        total = f"{bytes_text(contents.n_bytes)} of at most {bytes_text(contents.quota_bytes)}"
        shown = [
            TableOf(columns=_COLUMNS, rows=[_row(entry) for entry in contents.passes]),
            f'{total} in "{contents.directory}". Delete: `unfreeze cache clear`, or with keys.',
        ]
    return Answer(as_json=as_json, payload=to_builtins(contents), shown=shown)


def _clear(keys: tuple[str, ...], directory: Path | None, *, as_json: bool) -> Answer:
    from unfreeze.cache import clear_cache

    cleared = clear_cache(directory, keys=keys)
    passes = "1 pass" if cleared.n_passes == 1 else f"{cleared.n_passes} passes"
    shown = [f"Deleted {passes}; freed {bytes_text(cleared.n_bytes)}."]
    if cleared.kept:
        shown.append(f"note: not deleted, because another process has them open: {', '.join(cleared.kept)}.")
    return Answer(as_json=as_json, payload=to_builtins(cleared), shown=shown)


def _row(entry: "PassEntry") -> list[str]:
    what = entry.description
    said = (
        ["not known", "–", "–", "–", "–"]
        if what is None
        else [
            what.model,
            what.frontier,
            f"{what.size[0]}×{what.size[1]}",
            what.views,
            f"{what.engine}, {what.precision}",
        ]
    )
    age = time_text(max(0.0, time.time() - entry.used))
    return [entry.key[:N_KEY_DIGITS], *said, count_text(entry.n_rows), bytes_text(entry.n_bytes), f"{age} ago"]
