"""What a frozen network gives for pictures, as vectors: computed once by an engine, kept in the activation cache.

The cache knows them by the same keys as a training of a head does, so that a training of these pictures finds all of
its frozen layers computed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unfreeze.backbones import Network, load_network
from unfreeze.cache import ActivationCache, MemoryActivations, row_key
from unfreeze.data import Batch, Dataset, Fingerprint, InputSpec, batches
from unfreeze.data.threads import one_thread
from unfreeze.engines import EagerEngine, Engine, EngineName, open_engine, possible_engines
from unfreeze.errors import CacheUnavailableError, ConfigError, FailedError, MissingRowsError
from unfreeze.freezing import apply_plan
from unfreeze.frontier import NoSplit, Split, split_network
from unfreeze.frontier.keys import engine_key
from unfreeze.records import TrainOptions
from unfreeze.training.device import Device
from unfreeze.training.head_fit import read_vectors
from unfreeze.training.inputs import plan_from_options
from unfreeze.training.pass_keys import describe_pass, pass_key
from unfreeze.training.settings import architecture_of, weights_of

__all__ = ["FrozenFeatures"]

Arrays = dict[str, NDArray[Any]]  # rows of the tensors at the frontier, by name
PLACEHOLDERS = ("one", "other")  # the head's classes; nothing below the head depends on them
N_UNKEPT = 256  # rows after which they are written to the cache: fewer would make many small shards
BATCH_SIZE = 32


class FrozenFeatures:
    """A network whose head alone trains, and the vectors that its head is given. Safe for several threads.

    Args:
        options: of a training of a linear head, as `settled` returns them.

    Attributes:
        spec: the network's input.
        n_features: the length of a vector.

    Raises:
        UnfreezeError: the network or its weights cannot be loaded, or it cannot be divided at its head.
    """

    def __init__(self, options: TrainOptions) -> None:
        architecture = architecture_of(options)
        plan = plan_from_options(options, n_outputs=len(PLACEHOLDERS), architecture=architecture)
        self._device = Device(options.device, options.precision)
        network = load_network(
            architecture,
            task="classification",
            outputs=PLACEHOLDERS,
            size=options.size,
            weights=weights_of(options),
            pretrained=options.pretrained,
            seed=options.seed,
        )
        self._network = self._device.place(network)
        network.train()
        apply_plan(network, plan, step=0, steps_per_epoch=1)
        self._split = _divided(network, self._device, architecture)
        self._options, self.spec, self.n_features = options, network.spec, _layer(network).in_features
        self._cache = ActivationCache(options.cache_dir) if options.cache else None
        self._eager = EagerEngine(self._split.prefix, device=self._device.torch_device, batch_size=1)
        self._engine: Engine | None = None
        (self._engine_name, *_) = possible_engines(options.engine, device=self._device.torch_device, n_images=1)
        self._lock = threading.Lock()  # of what is remembered
        self._head_lock = threading.Lock()  # of the head's hook
        self._vectors: dict[tuple[str, InputSpec], Tensor] = {}
        self._unkept: list[tuple[InputSpec, list[str], Arrays]] = []
        self.notes: dict[str, None] = {}  # each once, in order

    def vectors(
        self,
        dataset: Dataset,
        fingerprints: Sequence[Fingerprint],
        *,
        depth_range: tuple[float, float] | None = None,
        computed: Callable[[int, int], None] = lambda _n, _total: None,
    ) -> Tensor:
        """Return the vectors of pictures, float32 (n, n_features), in their order.

        Args:
            dataset: the pictures, readable ones only.
            fingerprints: one for each.
            depth_range: what becomes 0 and 255 in pictures of more than 8 bits.
            computed: called as computed(n_done, n_all) while vectors are computed that nothing has kept.

        Raises:
            ImageError: a picture cannot be read any more.
            FailedError: the network gives something else than finite numbers.
        """
        with self._lock:
            spec = replace(self.spec, depth_range=depth_range)
            wanted = {f.sha256: number for number, f in enumerate(fingerprints)}
            missing = [number for sha256, number in wanted.items() if (sha256, spec) not in self._vectors]
            missing = self._read(spec, fingerprints, missing)
            self._compute(spec, dataset, fingerprints, missing, computed)
            rows = [self._vectors[f.sha256, spec] for f in fingerprints]
        return torch.stack(rows) if rows else torch.empty(0, self.n_features)

    def of_view(self, view: Tensor) -> Tensor:
        """Return the vector of one picture's view, uint8 (3, height, width) of the spec's size, as (n_features,)."""
        (tensors,) = (self._engine or self._eager).run([view[None]])
        vector: Tensor = self._at_head(self._named(tensors))[0]
        return vector

    def keep(self) -> None:
        """Write what has been computed and is not in the cache yet to it."""
        with self._lock:
            self._keep()

    def _read(self, spec: InputSpec, fingerprints: Sequence[Fingerprint], numbers: list[int]) -> list[int]:
        """Take the vectors of pictures from the cache; return the numbers of those that it does not have."""
        if self._cache is None or not numbers:
            return numbers
        name = self._pass_key(spec)
        keys = [_key(fingerprints[number]) for number in numbers]
        is_there = self._cache.lookup(name, keys).tolist()
        found = [number for number, there in zip(numbers, is_there, strict=True) if there]
        if not found:
            return numbers
        try:
            rows = self._cache.read(name, [_key(fingerprints[number]) for number in found])
        except MissingRowsError:  # damaged, or evicted meanwhile: computed again
            return numbers
        names = [each.name for each in rows.specs]
        arrays = dict(zip(names, rows.rows(np.arange(len(found))), strict=True))
        self._remember(spec, [fingerprints[number] for number in found], arrays)
        return [number for number, there in zip(numbers, is_there, strict=True) if not there]

    def _compute(
        self,
        spec: InputSpec,
        dataset: Dataset,
        fingerprints: Sequence[Fingerprint],
        numbers: list[int],
        computed: Callable[[int, int], None],
    ) -> None:
        if not numbers:
            return
        stream = (batch.images for batch in batches(dataset, numbers, spec, batch_size=BATCH_SIZE))
        first = next(stream)
        left, n_done = iter(numbers), 0
        for tensors in self._opened(first).run(chain((first,), stream)):
            some = [fingerprints[number] for number in islice(left, len(tensors[0]))]
            arrays = self._named(tensors)
            self._remember(spec, some, arrays)
            self._unkept.append((spec, [_key(each) for each in some], arrays))
            n_done += len(some)
            computed(n_done, len(numbers))
        if sum(len(keys) for _, keys, _ in self._unkept) >= N_UNKEPT:
            self._keep()

    def _opened(self, pictures: Tensor) -> Engine:
        """Open the engine once, checked on real pictures."""
        if self._engine is None:
            # OpenVINO computes a fixed number at once, and fills up what is missing: pictures come one by one.
            singly = self._engine_name == "openvino"
            opened = open_engine(
                self._split.prefix,
                pictures,
                engine=self._options.engine,
                batch_size=1 if singly else BATCH_SIZE,
                device=self._device.torch_device,
                n_images=1,
                cache_dir=None if self._cache is None else self._cache.directory,
                key=engine_key([(self._split.graph_hash, self._split.weights_hash)], pictures),
            )
            self.notes.update(dict.fromkeys(opened.notes))
            self._engine_name = opened.engine.name
            self._engine = opened.engine
            if singly and opened.engine.name == "eager":
                self._engine = EagerEngine(self._split.prefix, device=self._device.torch_device, batch_size=BATCH_SIZE)
        return self._engine

    def _remember(self, spec: InputSpec, pictures: Sequence[Fingerprint], arrays: Arrays) -> None:
        vectors = self._at_head(arrays)
        if not bool(torch.isfinite(vectors).all()):
            raise FailedError(
                "The frozen layers give numbers that are not finite for some pictures, so no head can be fitted to "
                "them; check the weights (--weights), or take another network (--model)."
            )
        self._vectors.update({(f.sha256, spec): vector for f, vector in zip(pictures, vectors, strict=True)})

    def _at_head(self, arrays: Arrays) -> Tensor:
        """Return what the head is given, (n, n_features), for rows of the tensors at the frontier."""
        rows, n = MemoryActivations(arrays), len(next(iter(arrays.values())))

        def feed() -> Iterator[Batch]:
            for start in range(0, n, BATCH_SIZE):
                chunk = np.arange(start, min(start + BATCH_SIZE, n))
                inputs = tuple(torch.from_numpy(array) for array in rows.rows(chunk))
                yield Batch(inputs=inputs, targets=torch.from_numpy(chunk), indices=torch.from_numpy(chunk))

        with self._head_lock, one_thread():
            vectors, _ = read_vectors(
                self._split.suffix, _layer(self._network), feed(), n, device=self._device, check=lambda: None
            )
        return vectors.cpu()

    def _named(self, tensors: Sequence[Tensor]) -> Arrays:
        return {each.name: tensor.numpy() for each, tensor in zip(self._split.frontier, tensors, strict=True)}

    def _pass_key(self, spec: InputSpec) -> str:
        engine: EngineName = self._engine_name
        return pass_key(
            self._split, spec, augment="none", seed=self._options.seed, engine=engine, device=self._device.torch_device
        )

    def _keep(self) -> None:
        unkept, self._unkept = self._unkept, []
        for spec in {spec for spec, _, _ in unkept} if self._cache is not None else ():
            assert self._cache is not None
            name = self._pass_key(spec)
            description = describe_pass(
                self._split, self._network, augment="none", seed=self._options.seed, engine=self._engine_name
            )
            parts = [(keys, arrays) for each, keys, arrays in unkept if each == spec]
            try:
                with self._cache.writing(
                    name, description=description, n_rows=sum(len(keys) for keys, _ in parts)
                ) as writer:
                    for keys, arrays in parts:
                        writer.add(keys, arrays)
            except CacheUnavailableError as error:  # slower next time, and nothing worse
                self.notes[str(error)] = None


def _divided(network: Network, device: Device, architecture: str) -> Split:
    """Split the network where its head begins."""
    generator = torch.Generator().manual_seed(0)
    # Pictures that differ: on equal ones a graph that mixes rows up would look right.
    example = torch.randint(0, 256, (3, 3, *network.spec.size), dtype=torch.uint8, generator=generator)
    found = split_network(network, example.to(device.torch_device))
    if isinstance(found, NoSplit):
        raise ConfigError(
            f"{architecture} cannot be divided into frozen layers and a head ({found.reason}), so every change would "
            "compute all of it; take another network (--model)."
        )
    return found


def _layer(network: Network) -> nn.Linear:
    (layer,) = network.head
    assert isinstance(layer, nn.Linear), "a head without hidden units is linear"
    return layer


def _key(picture: Fingerprint) -> str:
    return row_key(picture.sha256, augment="none", view=0, file="")
