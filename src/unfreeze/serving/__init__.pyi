from .application import create_app
from .limits import Limits
from .opening import open_predictor
from .refusing import Refusal
from .running import bind, exposure_note, open_app, run_server, url_of
from .service import Service

__all__ = [
    "Limits",
    "Refusal",
    "Service",
    "bind",
    "create_app",
    "exposure_note",
    "open_app",
    "open_predictor",
    "run_server",
    "url_of",
]
