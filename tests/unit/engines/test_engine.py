"""What every engine promises, asked of those that this machine has; and how they treat their producer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn

from unfreeze.engines import CompiledEngine, EagerEngine, Engine, OpenVinoEngine
from unfreeze.engines.engine import N_BATCHES_IN_FLIGHT, split_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CPU = torch.device("cpu")


def opened(name: str, prefix: nn.Module, *, batch_size: int = 5) -> Engine:
    if name == "eager":
        return EagerEngine(prefix, device=CPU, batch_size=4)
    if name == "compile":  # its graphs, run by PyTorch: generating code for them takes half a minute
        return CompiledEngine(prefix, device=CPU, batch_size=batch_size, backend="eager")
    return OpenVinoEngine.converted(prefix, size=(24, 24), batch_size=batch_size)


every_engine = pytest.mark.parametrize("name", ["eager", "openvino", "compile"])
quick_engine = pytest.mark.parametrize("name", ["eager", "openvino"])


@pytest.mark.slow
@every_engine
# torch.compile's own machinery warns of its own age
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore:.*TensorFloat32")
def test_results_come_in_the_order_of_the_batches_with_smaller_and_larger_ones_among_them(
    name: str, prefix: nn.Module, make_pictures: Callable[[int], Tensor]
) -> None:
    pictures = make_pictures(33)
    batches = pictures.split([5, 5, 1, 17, 5])
    results = list(opened(name, prefix).run(batches))
    assert [tuple(len(each) for each in result) for result in results] == [(n, n) for n in (5, 5, 1, 17, 5)]
    with torch.no_grad():
        expected = prefix(pictures)
    for got, wanted in zip(zip(*results, strict=True), expected, strict=True):
        whole = torch.cat(got)
        assert whole.dtype == torch.float32
        torch.testing.assert_close(whole, wanted, rtol=1e-4, atol=1e-5)


@quick_engine
def test_several_passes_at_once_keep_their_batches_apart(
    name: str, prefix: nn.Module, make_pictures: Callable[[int], Tensor]
) -> None:
    pictures = make_pictures(40)
    engine = opened(name, prefix)
    forwards, backwards = engine.run(pictures.split(5)), engine.run(pictures.flip(0).split(5))
    one, other = [], []
    for each, counterpart in zip(forwards, backwards, strict=True):
        one.append(each[1])
        other.append(counterpart[1])
    torch.testing.assert_close(torch.cat(one), torch.cat(other).flip(0), rtol=1e-4, atol=1e-5)


@quick_engine
def test_results_can_be_trained_on_and_stay_what_they_are(
    name: str, prefix: nn.Module, make_pictures: Callable[[int], Tensor]
) -> None:
    pictures = make_pictures(10)
    results = opened(name, prefix).run(pictures.split(5))
    first = next(results)
    copies = [each.clone() for each in first]
    list(results)  # what comes later must not be written over it
    assert all(torch.equal(each, copy) for each, copy in zip(first, copies, strict=True))
    head = nn.Linear(4, 2)
    head(first[1]).sum().backward()
    assert head.weight.grad is not None


@quick_engine
def test_pictures_in_another_memory_format_give_the_same(
    name: str, prefix: nn.Module, make_pictures: Callable[[int], Tensor]
) -> None:
    pictures = make_pictures(5)
    engine = opened(name, prefix)
    plain, channels_last = engine.run([pictures, pictures.contiguous(memory_format=torch.channels_last)])
    assert all(torch.equal(one, other) for one, other in zip(plain, channels_last, strict=True))


@quick_engine
def test_the_producer_is_asked_for_no_more_than_the_batches_in_flight(
    name: str, prefix: nn.Module, make_pictures: Callable[[int], Tensor]
) -> None:
    pictures = make_pictures(5)
    n_asked = 0

    def producer() -> Iterator[Tensor]:
        nonlocal n_asked
        for _ in range(50):
            n_asked += 1
            yield pictures

    engine = opened(name, prefix)
    # A batch of five is one request.
    most = engine._n_requests if isinstance(engine, OpenVinoEngine) else N_BATCHES_IN_FLIGHT
    results = engine.run(producer())
    assert n_asked == 0
    for n_got, _ in enumerate(results, start=1):
        assert n_asked <= n_got + most
        if n_got == 10:
            break
    assert n_asked < 50


@quick_engine
def test_an_exception_in_the_producer_comes_out_and_ends_the_pass(
    name: str, prefix: nn.Module, make_pictures: Callable[[int], Tensor]
) -> None:
    pictures = make_pictures(5)

    def producer() -> Iterator[Tensor]:
        yield pictures
        yield pictures
        raise OSError("the disk is gone")

    engine = opened(name, prefix)
    results = engine.run(producer())
    with pytest.raises(OSError, match="the disk is gone"):
        list(results)
    assert list(results) == []
    assert len(list(engine.run([pictures]))) == 1  # and the engine is as good as before


@quick_engine
def test_closing_early_ends_the_producer_and_leaves_the_engine_usable(
    name: str, prefix: nn.Module, make_pictures: Callable[[int], Tensor]
) -> None:
    pictures = make_pictures(5)
    ended = False

    def producer() -> Iterator[Tensor]:
        nonlocal ended
        try:
            while True:
                yield pictures
        finally:
            ended = True

    engine = opened(name, prefix)
    results = engine.run(producer())
    next(results)
    results.close()
    assert ended
    assert len(list(engine.run([pictures]))) == 1


def test_a_part_is_filled_up_with_its_last_picture() -> None:
    (whole, n), (tail, n_real) = split_rows(torch.arange(5).reshape(5, 1), 3)
    assert (n, n_real) == (3, 2)
    assert whole.flatten().tolist() == [0, 1, 2]
    assert tail.flatten().tolist() == [3, 4, 4]
