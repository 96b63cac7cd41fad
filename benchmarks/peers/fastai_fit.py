"""fastai's `freeze` + `fit`, as its documentation has it: frozen weights, norm layers in training mode.

Deeper trainings split the network by a splitter of their own and go down with `freeze_to`.
"""

from __future__ import annotations

from fastai_parts import accuracy, learner
from job import read_job


def main() -> None:
    """Train, test, write the result."""
    job = read_job(__doc__)
    learn = learner(job)
    with job.training(), learn.no_bar():
        if job.head_epochs:
            learn.freeze()
            learn.fit(job.head_epochs, job.lr)
        if job.epochs > job.head_epochs:
            learn.freeze_to(-2)
            learn.fit(job.epochs - job.head_epochs, slice(job.lr_body, job.lr_body if job.head_epochs else job.lr))
    job.finish(test_accuracy=accuracy(job, learn))


if __name__ == "__main__":
    main()
