"""The loop that one writes by hand: PyTorch and timm, a frozen network in inference mode, channels last, AdamW."""

from __future__ import annotations

import torch
from job import read_job
from torch import nn
from torch_parts import loader, network


def main() -> None:
    """Train, test, write the result."""
    job = read_job(__doc__)
    torch.manual_seed(job.seed)
    train, val, test = (loader(job, side) for side in ("train", "val", "test"))
    model = network(job).to(memory_format=torch.channels_last)
    body = [p for name, p in model.named_parameters() if not name.startswith("classifier.") and job.trains(name)]
    head = list(model.get_submodule("classifier").parameters())
    model.requires_grad_(requires_grad=False)
    with job.training():
        if job.head_epochs:
            fit(model, [{"params": head, "lr": job.lr}], train=train, val=val, epochs=job.head_epochs)
        if job.epochs > job.head_epochs:
            head_lr = job.lr_body if job.head_epochs else job.lr
            groups = [{"params": head, "lr": head_lr}, {"params": body, "lr": job.lr_body}]
            fit(model, groups, train=train, val=val, epochs=job.epochs - job.head_epochs)
    job.finish(test_accuracy=accuracy(model, test))


def fit(model: nn.Module, groups: list[dict], *, train: object, val: object, epochs: int) -> None:
    """Train these groups of parameters at their rates, falling along a cosine; validate after each epoch."""
    for group in groups:
        for parameter in group["params"]:
            parameter.requires_grad_(requires_grad=True)
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(train))
    model.eval()  # norm layers keep their statistics, in the layers that train too
    for epoch in range(epochs):
        for images, targets in train:
            logits = model(images.to(memory_format=torch.channels_last))
            loss = nn.functional.cross_entropy(logits, targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch + 1} of {epochs}: validation accuracy {accuracy(model, val):.3f}")


@torch.inference_mode()
def accuracy(model: nn.Module, batches: object) -> float:
    """Return the share of pictures that the network gets right."""
    right = [model(x.to(memory_format=torch.channels_last)).argmax(1) == y for x, y in batches]
    return torch.cat(right).float().mean().item()


if __name__ == "__main__":
    main()
