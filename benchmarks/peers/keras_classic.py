"""The classic Keras program: a frozen MobileNetV2, pooling, a dense layer. Random weights: only its speed counts."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
from job import Job, read_job
from keras import layers


def main() -> None:
    """Train, test, write the result."""
    job = read_job(__doc__)
    keras.utils.set_random_seed(job.seed)
    train, val, test = (pictures(job, side) for side in ("train", "val", "test"))
    base = keras.applications.MobileNetV2(input_shape=(job.size, job.size, 3), include_top=False, weights=None)
    base.trainable = False
    inputs = keras.Input((job.size, job.size, 3))
    x = keras.applications.mobilenet_v2.preprocess_input(inputs)
    x = layers.GlobalAveragePooling2D()(base(x, training=False))
    model = keras.Model(inputs, layers.Dense(len(job.classes))(x))
    model.compile(
        optimizer=keras.optimizers.AdamW(job.lr),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    with job.training():
        model.fit(train, validation_data=val, epochs=job.epochs, verbose=2)
    model.evaluate(test, verbose=2)
    job.finish(test_accuracy=None)


def pictures(job: Job, side: str) -> object:
    """Return the batches of one side of the split."""
    return keras.utils.image_dataset_from_directory(
        job.layout / side,
        class_names=list(job.classes),
        image_size=(job.size, job.size),
        interpolation="bicubic",
        batch_size=job.batch_size,
        shuffle=side == "train",
        seed=job.seed,
    ).prefetch(2)


if __name__ == "__main__":
    main()
