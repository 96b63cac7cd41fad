"""A network as a graph whose nodes are as large as they can be: only modules that train in part are opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from timm.layers import get_notrace_functions, get_notrace_modules
from torch import fx, nn

__all__ = ["Untraceable", "open_mixed"]


@dataclass(frozen=True, slots=True)
class Untraceable:
    """Why a network has no graph."""

    reason: str


def open_mixed(network: nn.Module) -> fx.GraphModule | Untraceable:
    """Return a network's graph, in which a module is opened only if some of its parameters train and some do not.

    What is not opened runs natively: its dropout, control flow and parameters read as attributes are its own.
    A module that cannot be traced stays closed as well. The graph holds the network's own modules and parameters,
    not copies; the network stays as it was.
    """
    closed: set[str] = set()
    while True:
        attempt = _Opening(frozenset(closed))
        known = set(vars(network))
        try:
            graph = attempt.trace(network)
            return fx.GraphModule(network, graph)
        except Exception as error:  # noqa: BLE001 - the forward of any network may object to a proxy in its own way
            if not attempt.failed_in:
                reason = (str(error).strip().splitlines() or [""])[0]
                return Untraceable(f"{type(error).__name__}: {reason}")
            closed.add(attempt.failed_in)
        finally:
            for name in set(vars(network)) - known:  # constants that the tracer stowed away there
                delattr(network, name)


class _Opening(fx.Tracer):
    """Opens mixed modules, but none of those in `closed`; remembers the innermost one in which it failed."""

    def __init__(self, closed: frozenset[str]) -> None:
        super().__init__(autowrap_functions=tuple(get_notrace_functions()), param_shapes_constant=True)
        self.closed = closed
        self.failed_in = ""
        self._native = tuple(get_notrace_modules())

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Tell whether a module stays one node."""
        trains = {parameter.requires_grad for parameter in m.parameters()}
        return len(trains) < 2 or module_qualified_name in self.closed or isinstance(m, self._native)  # noqa: PLR2004

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Trace a call of a module; note where it fails."""
        try:
            return super().call_module(m, forward, args, kwargs)
        except Exception:
            self.failed_in = self.failed_in or self.path_of_module(m)
            raise

    def create_args_for_root(
        self, root_fn: Callable[..., Any], is_module: bool, concrete_args: Any = None
    ) -> tuple[Callable[..., Any], list[Any]]:
        """Give the network its images alone: other arguments keep their defaults, instead of becoming proxies."""
        assert is_module, "networks are modules"
        assert concrete_args is None, "no argument is given to a network but its images"
        return root_fn, [self.root, self.create_proxy("placeholder", "images", (), {})]
