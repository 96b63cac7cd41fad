"""Lightning's `BackboneFinetuning`: the backbone frozen by the callback, thawed at the epoch that it is told."""

from __future__ import annotations

import lightning
import torch
from job import Job, read_job
from lightning.pytorch.callbacks import BackboneFinetuning
from lightning_parts import Classifier, fit_and_test


class LastModules(BackboneFinetuning):
    """`BackboneFinetuning` that thaws the job's modules instead of the whole backbone."""

    def __init__(self, job: Job) -> None:
        super().__init__(unfreeze_backbone_at_epoch=job.head_epochs)
        self.job = job

    def finetune_function(
        self, pl_module: lightning.LightningModule, epoch: int, optimizer: torch.optim.Optimizer
    ) -> None:
        """Thaw the modules at the epoch; the head goes on at their rate."""
        if epoch == self.unfreeze_backbone_at_epoch:
            modules = [pl_module.backbone.get_submodule(name) for name in self.job.train]
            optimizer.param_groups[0]["lr"] = self.job.lr_body
            self.unfreeze_and_add_param_group(modules, optimizer, lr=self.job.lr_body, initial_denom_lr=1.0)


def main() -> None:
    """Train, test, write the result."""
    job = read_job(__doc__)
    lightning.seed_everything(job.seed, verbose=False)
    fit_and_test(job, Classifier(job), [callback(job)], enable_checkpointing=False)


def callback(job: Job) -> BackboneFinetuning:
    """Return the callback of the job: one that never thaws, thaws some modules, or thaws all at once."""
    if job.head_only:
        return BackboneFinetuning(unfreeze_backbone_at_epoch=job.epochs + 1)
    if job.train != ("all",):
        return LastModules(job)
    return BackboneFinetuning(
        unfreeze_backbone_at_epoch=job.head_epochs,
        backbone_initial_lr=job.lr_body,
        initial_denom_lr=1.0,
        lambda_func=_same,
    )


def _same(_epoch: int) -> float:
    return 1.0


if __name__ == "__main__":
    main()
