"""The decision for an engine, on facts alone."""

from __future__ import annotations

import pytest

from unfreeze.engines import choose_engines
from unfreeze.engines.choosing import LEAST_PICTURES_TO_COMPILE


def test_auto_on_a_cpu_takes_openvino_where_it_is_installed() -> None:
    assert choose_engines("auto", device="cpu", has_openvino=True) == ("openvino", "eager")
    assert choose_engines("auto", device="cpu", has_openvino=False) == ("eager",)


@pytest.mark.parametrize("has_openvino", [True, False])
def test_auto_on_a_gpu_compiles_only_for_many_pictures(has_openvino: bool) -> None:
    many, few = LEAST_PICTURES_TO_COMPILE, LEAST_PICTURES_TO_COMPILE - 1
    assert choose_engines("auto", device="cuda", has_openvino=has_openvino, n_images=many) == ("compile", "eager")
    assert choose_engines("auto", device="cuda", has_openvino=has_openvino, n_images=few) == ("eager",)
    assert choose_engines("auto", device="cuda", has_openvino=has_openvino) == ("compile", "eager")


def test_other_devices_are_left_to_pytorch() -> None:
    assert choose_engines("auto", device="mps", has_openvino=True) == ("eager",)


@pytest.mark.parametrize("engine", ["openvino", "compile", "eager"])
def test_what_is_asked_for_by_name_comes_first_and_eager_last(engine: str) -> None:
    chosen = choose_engines(engine, device="cpu", has_openvino=True)
    assert chosen[0] == engine
    assert chosen[-1] == "eager"
