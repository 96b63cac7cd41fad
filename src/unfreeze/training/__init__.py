"""The training loop, its checkpoints, and the run directory it leaves."""

from unfreeze.training.directory import next_directory, read_run
from unfreeze.training.progress import EpochInfo, PhaseInfo, Progress, Silent, StepInfo
from unfreeze.training.run import resume_run, train_run

__all__ = [
    "EpochInfo",
    "PhaseInfo",
    "Progress",
    "Silent",
    "StepInfo",
    "next_directory",
    "read_run",
    "resume_run",
    "train_run",
]
