"""finetuning-scheduler: an explicit schedule of phases that end by epoch; it restores the best checkpoint."""

from __future__ import annotations

import lightning
from finetuning_scheduler import FinetuningScheduler, FTSCheckpoint
from job import Job, read_job
from lightning_parts import Classifier, fit_and_test


def main() -> None:
    """Train, test, write the result."""
    job = read_job(__doc__)
    lightning.seed_everything(job.seed, verbose=False)
    module = Classifier(job)
    scheduler = FinetuningScheduler(
        ft_schedule=schedule(job, module), epoch_transitions_only=True, log_dir=str(job.out.parent)
    )
    checkpoint = FTSCheckpoint(monitor="val_loss", dirpath=job.out.parent / "checkpoints", save_top_k=1)
    fit_and_test(job, module, [scheduler, checkpoint])


def schedule(job: Job, module: Classifier) -> dict[int, dict]:
    """Return the phases: the head, then what the job trains after it."""
    head = [name for name, _ in module.named_parameters() if name.startswith("head.")]
    body = [f"backbone.{name}" for name, _ in module.backbone.named_parameters() if job.trains(name)]
    if job.head_only:
        return {0: {"params": head, "max_transition_epoch": job.epochs}}
    if not job.head_epochs:
        return {0: {"params": [*head, *body], "max_transition_epoch": job.epochs}}
    return {
        0: {"params": head, "max_transition_epoch": job.head_epochs},
        1: {"params": body, "max_transition_epoch": job.epochs, "lr": job.lr_body},
    }


if __name__ == "__main__":
    main()
