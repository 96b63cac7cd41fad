"""From a folder to a lesson that is taught on a page until it is told to stop. `unfreeze teach` is this call."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unfreeze.keywords import checked_names
from unfreeze.records import TrainOptions

if TYPE_CHECKING:
    from fastapi import FastAPI

    from unfreeze.serving import Limits

__all__ = ["TEACH_OPTIONS", "teach"]

# Of a training's options those that say which frozen network, and where it is computed; the head is linear.
TEACH_OPTIONS = ("model", "weights", "pretrained", "size", "seed", "device", "engine", "cache", "cache_dir")


def teach(
    folder: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    token: str | None = None,
    also_known_as: Iterable[str] = (),
    limits: Limits | None = None,
    said: Callable[[str], None] | None = None,
    **options: Any,
) -> str:
    """Let classes be taught on a web page until SIGINT or SIGTERM; return the address that it had.

    Args:
        folder: of class folders, to which pictures are added; made if it does not exist.
        host: who can reach the page: "127.0.0.1" this machine only, "0.0.0.0" the network.
        port: where to listen; 0 takes any that is free.
        token: what requests must carry as `Authorization: Bearer TOKEN`; None: nothing.
        also_known_as: further names that it is called by, such as a proxy's.
        limits: of what it takes on (`unfreeze.serving.Limits`); None: the defaults.
        said: told where it listens, and what there is to say of that.
        **options: of `TrainOptions`: model, weights, pretrained, size, seed, device, engine, cache, cache_dir.

    Raises:
        ConfigError: the folder cannot be one, settings are wrong, the extra `serve` is not installed, or it cannot
            listen there.

    Example:
        >>> teach("fruit/")  # doctest: +SKIP
    """
    from unfreeze.serving.needs import check_extra

    changes = checked_names(options, TEACH_OPTIONS)
    check_extra()
    from unfreeze.serving import Limits, answer_until_stopped
    from unfreeze.serving.access import own_names
    from unfreeze.teaching.application import create_app
    from unfreeze.teaching.lesson import Lesson

    bounds, tell = limits or Limits(), said or (lambda _text: None)

    def opened() -> FastAPI:
        lesson = Lesson(Path(folder), TrainOptions(**changes), given=frozenset(changes))
        return create_app(lesson, limits=bounds, token=token, hosts={*own_names(host), *also_known_as})

    return answer_until_stopped(
        opened, host=host, port=port, token=token, limits=bounds, said=tell, what=f"{folder} is taught"
    )
