from __future__ import annotations

import torch

from unfreeze.data.memory import ViewMemory
from unfreeze.data.spec import InputSpec

SPEC = InputSpec(size=(4, 4))
DEEP_SPEC = InputSpec(size=(4, 4), depth_range=(0, 9))
VIEW = torch.zeros(3, 4, 4, dtype=torch.uint8)


def test_a_kept_view_is_found_by_its_file_and_spec() -> None:
    memory = ViewMemory()
    memory.keep("a", SPEC, VIEW)
    assert memory.get("a", SPEC) is VIEW
    assert memory.get("b", SPEC) is None
    assert memory.get("a", InputSpec(size=(4, 4), interpolation="bilinear")) is None


def test_the_view_of_an_eight_bit_picture_serves_any_depth_range_and_others_do_not() -> None:
    memory = ViewMemory()
    memory.keep("flat", SPEC, VIEW, of_8_bits=True)
    memory.keep("deep", SPEC, VIEW)
    assert memory.get("flat", DEEP_SPEC) is VIEW
    assert memory.get("deep", DEEP_SPEC) is None


def test_a_full_memory_has_no_room_and_keeps_what_it_has() -> None:
    memory = ViewMemory(max_bytes=2 * VIEW.nbytes)
    assert memory.has_room(SPEC)
    for path in ("a", "a", "b", "c"):
        memory.keep(path, SPEC, VIEW)
    assert memory.n_bytes == 2 * VIEW.nbytes
    assert not memory.has_room(SPEC)
    assert [memory.get(path, SPEC) is not None for path in "abc"] == [True, True, False]
