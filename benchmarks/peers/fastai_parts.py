"""What fastai's two ways share: its data loaders and its learner for a timm network."""

from __future__ import annotations

from functools import partial

from fastai.vision.all import (
    ImageDataLoaders,
    Learner,
    Resize,
    ResizeMethod,
    default_split,
    get_image_files,
    params,
    set_seed,
    vision_learner,
)
from fastai.vision.all import accuracy as right_share
from job import Job, n_cores
from PIL import Image
from torch import nn
from torch_parts import MODEL, pretrained

__all__ = ["accuracy", "learner"]


def learner(job: Job) -> Learner:
    """Return a learner on the split's pictures, with the plain linear head that the other peers have too."""
    set_seed(job.seed, reproducible=True)
    pictures = ImageDataLoaders.from_folder(
        job.layout,
        train="train",
        valid="val",
        item_tfms=Resize(job.size, method=ResizeMethod.Squish, resamples=(Image.Resampling.BICUBIC, 0)),
        bs=job.batch_size,
        num_workers=n_cores(),
    )
    pictures.train_ds  # noqa: B018 - made here, so that a wrong folder fails before the network loads
    return vision_learner(
        pictures,
        MODEL,
        metrics=right_share,
        splitter=partial(_groups, job) if job.train not in {(), ("all",)} else default_split,
        lin_ftrs=[],
        ps=0.0,
        first_bn=False,
        concat_pool=False,
        **pretrained(job.weights),
    )


def accuracy(job: Job, learn: Learner) -> float:
    """Return the share of test pictures that the network gets right."""
    test = learn.dls.test_dl(get_image_files(job.layout / "test"), with_labels=True)
    with learn.no_bar():
        return float(learn.validate(dl=test)[1])


def _groups(job: Job, model: nn.Module) -> list[list[nn.Parameter]]:
    """Return fastai's parameter groups: what stays frozen, what trains after the head, the head."""
    body = list(model[0].model.named_parameters())
    frozen = [p for name, p in body if not job.trains(name)]
    return [frozen, [p for name, p in body if job.trains(name)], params(model[1])]
