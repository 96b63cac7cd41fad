from .adding import Added
from .album import Album
from .fitting import Judgement, LinearHead
from .folder import ClassFolders
from .lesson import Lesson, NothingLearnedError
from .running import teach
from .saving import Saving
from .snapshot import Snapshot
from .state import State, Taught, Work

__all__ = [
    "Added",
    "Album",
    "ClassFolders",
    "Judgement",
    "Lesson",
    "LinearHead",
    "NothingLearnedError",
    "Saving",
    "Snapshot",
    "State",
    "Taught",
    "Work",
    "teach",
]
