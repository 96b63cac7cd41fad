from .application import create_app
from .limits import Limits
from .refusing import Refusal
from .running import answer_until_stopped, open_app, serve_run
from .service import Service

__all__ = [
    "Limits",
    "Refusal",
    "Service",
    "answer_until_stopped",
    "create_app",
    "open_app",
    "serve_run",
]
