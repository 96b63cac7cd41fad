"""A network as a graph whose nodes are as large as they can be: only modules that train in part are opened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from timm.layers import get_notrace_functions, get_notrace_modules
from torch import Tensor, fx, nn

__all__ = ["Opened", "open_at", "open_mixed"]


@dataclass(frozen=True, slots=True)
class Opened:
    """A network's graph, if it has one, and why modules that train in part were not opened, by their paths."""

    graph: fx.GraphModule | None
    failures: Mapping[str, str]


def open_mixed(network: nn.Module) -> Opened:
    """Return a network's graph, in which a module is opened only if some of its parameters train and some do not.

    What is not opened runs natively: its dropout, control flow and parameters read as attributes are its own.
    A module that cannot be traced stays closed as well. The graph holds the network's own modules and parameters,
    not copies; the network stays as it was.
    """
    failures: dict[str, str] = {}
    while True:
        attempt = _Opening(frozenset(failures))
        known = set(vars(network))
        try:
            graph = attempt.trace(network)
            _check_constants(vars(network)[name] for name in set(vars(network)) - known)
            return Opened(fx.GraphModule(network, graph), failures)
        except Exception as error:  # noqa: BLE001 - the forward of any network may object to a proxy in its own way
            reason = (str(error).strip().splitlines() or [""])[0]
            where = attempt.failed_in
            while where and where in failures:  # it was closed already: what calls it cannot be traced
                where = where.rpartition(".")[0]
            failures[where] = f"{type(error).__name__}: {reason}"
            if not where:  # the network itself
                return Opened(None, failures)
        finally:
            for name in set(vars(network)) - known:  # constants that the tracer stowed away there
                delattr(network, name)


def open_at(module: fx.GraphModule, paths: frozenset[str]) -> fx.GraphModule:
    """Return a graph's module with the modules at these paths opened, and with all others closed.

    Raises:
        Exception: whatever a module raises that cannot be traced.
    """
    known = set(vars(module))
    try:
        graph = _OpeningAt(paths).trace(module)
        return fx.GraphModule(module, graph)
    finally:
        for name in set(vars(module)) - known:
            delattr(module, name)


def _check_constants(constants: Iterable[Any]) -> None:
    """Check that nothing that trains has been computed while tracing: its later values would never be seen."""
    if any(isinstance(constant, Tensor) and constant.requires_grad for constant in constants):
        raise TypeError("it computes with a parameter that trains in a way that tracing does not see")


class _Tracer(fx.Tracer):
    """Sees what timm wants to be seen, and an argument of a network only in its images."""

    def __init__(self) -> None:
        super().__init__(autowrap_functions=tuple(get_notrace_functions()), param_shapes_constant=True)

    def create_args_for_root(
        self, root_fn: Callable[..., Any], is_module: bool, concrete_args: Any = None
    ) -> tuple[Callable[..., Any], list[Any]]:
        """Give the network its images alone: other arguments keep their defaults, instead of becoming proxies."""
        assert is_module, "networks are modules"
        assert concrete_args is None, "no argument is given to a network but its images"
        return root_fn, [self.root, self.create_proxy("placeholder", "images", (), {})]


class _OpeningAt(_Tracer):
    """Opens the modules at some paths."""

    def __init__(self, paths: frozenset[str]) -> None:
        super().__init__()
        self.paths = paths

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Tell whether a module stays one node."""
        assert isinstance(m, nn.Module), "fx asks for modules"
        return module_qualified_name not in self.paths


class _Opening(_Tracer):
    """Opens mixed modules, but none of those in `closed`; remembers the innermost one in which it failed."""

    def __init__(self, closed: frozenset[str]) -> None:
        super().__init__()
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
