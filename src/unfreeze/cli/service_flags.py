"""The options of commands that answer on the web until they are told to stop."""

import sys
from pathlib import Path
from typing import Annotated, Any, TypedDict

from cyclopts import Group, Parameter

from unfreeze.cli.flags import WholeNumber

__all__ = ["ServiceFlags", "service_options"]

SERVICE = Group("Service", sort_key=2)


class ServiceFlags(TypedDict, total=False):
    """Where a service listens and whom it answers."""

    port: Annotated[
        WholeNumber, Parameter(group=SERVICE, help="Where to listen; 0 takes any that is free. [default: 8000]")
    ]
    host: Annotated[
        str,
        Parameter(
            group=SERVICE,
            help="Who can reach it: 127.0.0.1 this machine only, 0.0.0.0 the network. [default: 127.0.0.1]",
        ),
    ]
    token_file: Annotated[
        Path,
        Parameter(group=SERVICE, help="Ask for the token in this file. [default: that in UNFREEZE_TOKEN, else none]"),
    ]
    allow_host: Annotated[
        tuple[str, ...],
        Parameter(group=SERVICE, help="A further name that it is called by, such as a proxy's; repeatable."),
    ]


def service_options(flags: ServiceFlags) -> dict[str, Any]:
    """Return the flags that were given as the arguments of `Run.serve` and `uf.teach`, and who is told: stderr.

    Raises:
        ConfigError: the token's file cannot be read, or holds none.
    """
    from unfreeze.serving.tokens import find_token

    options: dict[str, Any] = {name: value for name, value in flags.items() if name in {"port", "host"}}
    return {
        **options,
        "token": find_token(flags.get("token_file")),
        "also_known_as": flags.get("allow_host", ()),
        "said": lambda text: print(text, file=sys.stderr, flush=True),
    }
