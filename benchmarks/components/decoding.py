"""Pictures from bytes to views."""

from __future__ import annotations

from pathlib import Path
from statistics import median

from components.registry import Reading, Room, part, seconds_of

__all__ = ["photo_decode"]

PHOTO_SIZE = (3456, 2592)  # of a made-up photograph: 9 megapixels
N_PHOTOS = 4


@part
def photo_decode(room: Room) -> list[Reading]:
    """9 MP photographs become 224 px views at least three times as fast as by Pillow, one thread each."""
    import torch

    from unfreeze.data import InputSpec, batches, open_dataset

    photos = _photos(room)
    for number, photo in enumerate(photos):
        link = room.folder / "photos" / f"class-{number % 2}" / photo.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(photo.resolve())
    dataset = open_dataset(room.folder / "photos")
    spec = InputSpec(size=(224, 224), mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bicubic")
    indices = range(len(dataset.files))

    def ours() -> None:
        for _ in batches(dataset, indices, spec, batch_size=1, n_threads=1):
            pass

    def pillow() -> None:
        for photo in photos:
            _pillow_view(photo)

    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        pairs = [(seconds_of(ours), seconds_of(pillow)) for _ in range(room.n_repeats)]
    finally:
        torch.set_num_threads(n_threads)
    return [
        Reading(name="9 MP to 224 px", value=len(photos) / median(a for a, _ in pairs), unit="img/s"),
        Reading(name="the same by Pillow", value=len(photos) / median(b for _, b in pairs), unit="img/s"),
        Reading(name="9 MP decode against Pillow", value=median(b / a for a, b in pairs), unit="×", limit=3.0),
    ]


def _photos(room: Room) -> list[Path]:
    """Return the user's photographs, or make some by enlarging a solar cell, with a camera's noise on it."""
    if room.photos is not None:
        found = sorted(file for file in room.photos.iterdir() if file.suffix.lower() in {".jpg", ".jpeg", ".mpo"})
        if len(found) < 2:  # noqa: PLR2004 - two classes
            raise SystemExit(f'error: "{room.photos}" must hold two JPEG photographs or more.')
        return found
    import numpy as np
    from PIL import Image

    from unfreeze.data.samples import write_solar_cells

    cells = sorted(write_solar_cells(room.folder / "cells", n_images=N_PHOTOS).rglob("*.png"))
    rng, photos = np.random.default_rng(0), []
    for cell in cells:
        with Image.open(cell) as image:
            pixels = np.asarray(image.convert("RGB").resize(PHOTO_SIZE, Image.Resampling.BICUBIC), dtype=np.float32)
        noisy = pixels + rng.normal(0, 6, pixels.shape).astype(np.float32)
        photos.append(room.folder / f"{cell.stem}.jpg")
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(photos[-1], quality=92)
    return photos


def _pillow_view(photo: Path) -> None:
    from PIL import Image, ImageOps

    with Image.open(photo) as image:
        ImageOps.exif_transpose(image).convert("RGB").resize((224, 224), Image.Resampling.BICUBIC)
