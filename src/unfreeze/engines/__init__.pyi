from .choosing import choose_engines
from .compiled import CompiledEngine
from .eager import EagerEngine
from .engine import Engine, EngineName, Precision
from .opening import Opened, open_engine, possible_engines, possible_precision
from .openvino_engine import OpenVinoEngine

__all__ = [
    "CompiledEngine",
    "EagerEngine",
    "Engine",
    "EngineName",
    "OpenVinoEngine",
    "Opened",
    "Precision",
    "choose_engines",
    "open_engine",
    "possible_engines",
    "possible_precision",
]
