"""What Lightning's two ways share: the module, and a trainer that does nothing but train."""

from __future__ import annotations

import logging
import warnings

import lightning
import torch
from job import Job
from torch import nn
from torch_parts import loader, network

__all__ = ["Classifier", "fit_and_test"]


class Classifier(lightning.LightningModule):
    """A pretrained network, `backbone`, and its new linear `head`."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.job = job
        self.backbone = network(job)
        self.head = self.backbone.get_submodule("classifier")
        self.backbone.reset_classifier(0)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        return self.head(self.backbone(images))

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """Return the loss."""
        images, targets = batch
        return nn.functional.cross_entropy(self(images), targets)

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor]) -> None:
        """Log loss and accuracy."""
        images, targets = batch
        logits = self(images)
        self.log("val_loss", nn.functional.cross_entropy(logits, targets), batch_size=len(targets))
        self.log("val_accuracy", (logits.argmax(1) == targets).float().mean(), batch_size=len(targets))

    def test_step(self, batch: tuple[torch.Tensor, torch.Tensor]) -> None:
        """Log the accuracy."""
        images, targets = batch
        right = (self(images).argmax(1) == targets).float().mean()
        self.log("test_accuracy", right, batch_size=len(targets), on_epoch=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return the optimizer of the head; the callbacks add the rest."""
        return torch.optim.AdamW(self.head.parameters(), lr=self.job.lr, weight_decay=0.01)


def fit_and_test(job: Job, module: Classifier, callbacks: list[lightning.Callback], **settings: object) -> None:
    """Train by these callbacks, test, write the result."""
    warnings.filterwarnings("ignore", module="lightning")
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=job.epochs,
        callbacks=callbacks,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=job.out.parent,
        **settings,
    )
    with job.training():
        trainer.fit(module, loader(job, "train"), loader(job, "val"))
    [metrics] = trainer.test(module, loader(job, "test"), verbose=False)
    job.finish(test_accuracy=metrics["test_accuracy"])
