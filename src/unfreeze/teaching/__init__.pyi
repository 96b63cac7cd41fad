from .album import Added, Album, Snapshot
from .fitting import Judgement, LinearHead
from .folder import ClassFolders
from .lesson import Lesson, NothingLearnedError, State, Taught, Work
from .running import teach
from .saving import Saving

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
