"""fastai's `fine_tune`: one epoch of the head, then all layers, by its own rates and schedule."""

from __future__ import annotations

from fastai_parts import accuracy, learner
from job import read_job


def main() -> None:
    """Train, test, write the result."""
    job = read_job(__doc__)
    learn = learner(job)
    with job.training(), learn.no_bar():
        learn.fine_tune(max(1, job.epochs - 1), freeze_epochs=1)
    job.finish(test_accuracy=accuracy(job, learn))


if __name__ == "__main__":
    main()
