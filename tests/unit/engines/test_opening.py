"""An engine is used only if it agrees with PyTorch on real pictures; what it was prepared with is kept on disk."""

from __future__ import annotations

import subprocess
import sys
import threading
import warnings
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn

from unfreeze.engines import OpenVinoEngine, open_engine
from unfreeze.engines.openvino_engine import has_bf16, stored_path
from unfreeze.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEY = "0123abcd"


class LooksAtValues(nn.Module):
    """Doubles the features of bright pictures: a trace keeps one of the two ways, whatever it is shown later."""

    def forward(self, images: Tensor) -> Tensor:
        features = images.float().mean((2, 3))
        return features * 2 if features.mean() > 20 else features


class WithoutARowForEachPicture(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.float().mean((2, 3)).reshape(-1)


class Unconvertible(nn.Module):
    """Calls numpy by way of a function that neither a trace nor OpenVINO knows."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.linalg.svdvals(images.float())


def folder_of(path: Path) -> list[Path]:
    return sorted((path / "openvino").iterdir())


def test_auto_on_a_cpu_opens_openvino_and_says_how_far_it_is_from_pytorch(
    prefix: nn.Module, make_pictures: Callable[[int], Tensor], cpu: torch.device
) -> None:
    opened = open_engine(prefix, make_pictures(9), device=cpu)
    assert (opened.engine.name, opened.engine.precision, opened.notes) == ("openvino", "fp32", ())
    assert 0 <= opened.check <= 1e-5


def test_eager_gives_what_the_prefix_gives_to_the_last_bit(
    prefix: nn.Module, make_pictures: Callable[[int], Tensor], cpu: torch.device
) -> None:
    pictures = make_pictures(4)
    opened = open_engine(prefix, pictures, device=cpu, engine="eager")
    assert (opened.engine.name, opened.check, opened.notes) == ("eager", 0.0, ())
    with torch.no_grad():
        expected = prefix(pictures.contiguous(memory_format=torch.channels_last))
    (got,) = opened.engine.run([pictures])
    assert all(torch.equal(one, other) for one, other in zip(got, expected, strict=True))


def test_fp32_is_asked_of_openvino_by_name(
    prefix: nn.Module, make_pictures: Callable[[int], Tensor], cpu: torch.device, tmp_path: Path
) -> None:
    """Trap 24: left to itself, OpenVINO computes in bf16 on some processors. A stored engine is no exception."""
    for _ in range(2):
        engine = open_engine(prefix, make_pictures(4), device=cpu, cache_dir=tmp_path, key=KEY).engine
        assert isinstance(engine, OpenVinoEngine)
        assert engine.compiled.get_property("INFERENCE_PRECISION_HINT").to_string() == "f32"


def test_bf16_is_coarser_or_else_fp32_with_a_note(
    prefix: nn.Module, make_pictures: Callable[[int], Tensor], cpu: torch.device
) -> None:
    opened = open_engine(prefix, make_pictures(4), device=cpu, precision="bf16")
    if has_bf16():
        assert (opened.engine.precision, opened.notes) == ("bf16", ())
        assert opened.check <= 1e-1
        (got,) = opened.engine.run([make_pictures(4)])
        assert all(each.dtype == torch.float32 for each in got)
    else:
        assert opened.engine.precision == "fp32"
        assert "no bf16" in opened.notes[0]


@pytest.mark.parametrize("engine", ["auto", "openvino"])
def test_an_engine_that_deviates_is_left_out_with_a_note_even_if_asked_for_by_name(
    engine: str, make_pictures: Callable[[int], Tensor], cpu: torch.device
) -> None:
    pictures = make_pictures(4)
    opened = open_engine(LooksAtValues().eval(), pictures, device=cpu, engine=engine)
    assert opened.engine.name == "eager"
    (note,) = opened.notes
    assert '"openvino" is not used' in note
    assert "deviates from PyTorch by 5.0e-01" in note
    ((features,),) = opened.engine.run([pictures])
    torch.testing.assert_close(features, pictures.float().mean((2, 3)) * 2)


@pytest.mark.parametrize(
    ("module", "reason"),
    [(WithoutARowForEachPicture(), "not one row for each"), (Unconvertible(), "not used for the frozen layers")],
)
def test_what_cannot_be_converted_runs_eagerly_with_a_note(
    module: nn.Module, reason: str, make_pictures: Callable[[int], Tensor], cpu: torch.device
) -> None:
    opened = open_engine(module.eval(), make_pictures(4), device=cpu)
    assert opened.engine.name == "eager"
    assert any(reason in note for note in opened.notes)


def test_opening_changes_nothing_about_the_prefix(
    prefix: nn.Module, make_pictures: Callable[[int], Tensor], cpu: torch.device
) -> None:
    prefix.conv.train()  # a mode that is the caller's business
    before = {name: each.clone() for name, each in prefix.state_dict().items()}
    identities = [id(each) for each in prefix.parameters()]
    filters = list(warnings.filters)
    open_engine(prefix, make_pictures(4), device=cpu)
    assert warnings.filters == filters
    assert [module.training for module in prefix.modules()] == [False, True, False, False]
    assert [id(each) for each in prefix.parameters()] == identities
    assert all(each.requires_grad and each.grad is None for each in prefix.parameters())
    assert all(torch.equal(each, before[name]) for name, each in prefix.state_dict().items())


def test_openvino_keeps_the_weights_it_was_opened_with(
    prefix: nn.Module, make_pictures: Callable[[int], Tensor], cpu: torch.device
) -> None:
    pictures = make_pictures(4)
    engine = open_engine(prefix, pictures, device=cpu).engine
    (before,) = engine.run([pictures])
    with torch.no_grad():
        for parameter in prefix.parameters():
            parameter.zero_()
    (after,) = engine.run([pictures])
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_an_engine_is_opened_in_a_thread_and_used_in_another(
    prefix: nn.Module, make_pictures: Callable[[int], Tensor], cpu: torch.device
) -> None:
    pictures = make_pictures(7)
    found = []
    thread = threading.Thread(target=lambda: found.append(open_engine(prefix, pictures, device=cpu)))
    thread.start()
    thread.join()
    (got,) = found[0].engine.run([pictures])
    with torch.no_grad():
        torch.testing.assert_close(got, prefix(pictures), rtol=1e-4, atol=1e-5)


def test_a_second_opening_with_the_same_key_uses_the_file_and_converts_nothing(
    prefix: nn.Module, make_pictures: Callable[[int], Tensor], cpu: torch.device, tmp_path: Path
) -> None:
    pictures = make_pictures(6)
    first = open_engine(prefix, pictures, device=cpu, cache_dir=tmp_path, key=KEY)
    (file,) = folder_of(tmp_path)
    written = file.stat().st_mtime_ns, file.stat().st_ino

    class Untraceable(type(prefix)):
        def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
            assert not torch.jit.is_tracing()
            return super().forward(images)

    prefix.__class__ = Untraceable
    second = open_engine(prefix, pictures, device=cpu, cache_dir=tmp_path, key=KEY)
    assert (second.engine.name, second.notes) == ("openvino", ())
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == written
    (one,), (other,) = first.engine.run([pictures]), second.engine.run([pictures])
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("damage", ["truncated", "changed"])
def test_a_damaged_file_is_noticed_and_made_again(
    damage: str, prefix: nn.Module, make_pictures: Callable[[int], Tensor], cpu: torch.device, tmp_path: Path
) -> None:
    pictures = make_pictures(6)
    open_engine(prefix, pictures, device=cpu, cache_dir=tmp_path, key=KEY)
    (file,) = folder_of(tmp_path)
    whole = file.read_bytes()
    middle = len(whole) // 2
    file.write_bytes(whole[:middle] if damage == "truncated" else whole[:middle] + b"?" + whole[middle + 1 :])
    damaged = file.read_bytes()
    opened = open_engine(prefix, pictures, device=cpu, cache_dir=tmp_path, key=KEY)
    assert (opened.engine.name, opened.notes) == ("openvino", ())
    assert folder_of(tmp_path) == [file]
    assert file.read_bytes() != damaged


def test_a_file_of_other_weights_under_the_same_key_is_not_believed(
    make_prefix: Callable[..., nn.Module], make_pictures: Callable[[int], Tensor], cpu: torch.device, tmp_path: Path
) -> None:
    pictures = make_pictures(6)
    open_engine(make_prefix(seed=0), pictures, device=cpu, cache_dir=tmp_path, key=KEY)
    opened = open_engine(make_prefix(seed=1), pictures, device=cpu, cache_dir=tmp_path, key=KEY)
    assert opened.engine.name == "openvino"
    assert opened.check <= 1e-5
    (got,) = opened.engine.run([pictures])
    with torch.no_grad():
        torch.testing.assert_close(got, make_prefix(seed=1)(pictures), rtol=1e-4, atol=1e-5)


def test_key_precision_and_number_of_pictures_each_have_a_file_of_their_own(tmp_path: Path) -> None:
    paths = {
        stored_path(tmp_path, key, precision=precision, batch_size=batch_size)
        for key in ("a", "b")
        for precision in ("fp32", "bf16")
        for batch_size in (1, 2)
    }
    assert len(paths) == 8


def test_a_deviating_engine_is_not_stored(
    make_pictures: Callable[[int], Tensor], cpu: torch.device, tmp_path: Path
) -> None:
    open_engine(LooksAtValues().eval(), make_pictures(4), device=cpu, cache_dir=tmp_path, key=KEY)
    assert list(tmp_path.rglob("*.blob")) == []


def test_a_cache_folder_that_cannot_be_written_is_said_and_harms_nothing(
    prefix: nn.Module, make_pictures: Callable[[int], Tensor], cpu: torch.device, tmp_path: Path
) -> None:
    (tmp_path / "openvino").write_text("a file where the folder should be")
    opened = open_engine(prefix, make_pictures(4), device=cpu, cache_dir=tmp_path, key=KEY)
    assert opened.engine.name == "openvino"
    (note,) = opened.notes
    assert "could not be stored" in note


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")  # of torch.compile's own parts
def test_what_cannot_be_compiled_runs_eagerly_with_a_note(
    make_pictures: Callable[[int], Tensor], cpu: torch.device
) -> None:
    opened = open_engine(LooksAtValues().eval(), make_pictures(4), device=cpu, engine="compile")
    assert opened.engine.name == "eager"
    assert '"compile" is not used' in opened.notes[0]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_compiled_prefix_agrees_with_pytorch(make_pictures: Callable[[int], Tensor], cpu: torch.device) -> None:
    class Small(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.relu(images.float() / 255 - 0.5).mean((2, 3))

    opened = open_engine(Small().eval(), make_pictures(4), device=cpu, engine="compile", batch_size=4)
    assert (opened.engine.name, opened.notes) == ("compile", ())


def test_all_wrong_settings_are_named_together(
    prefix: nn.Module, make_pictures: Callable[[int], Tensor], cpu: torch.device
) -> None:
    with pytest.raises(ConfigError) as caught:
        open_engine(
            prefix, make_pictures(1), device=cpu, engine="openvno", precision="fp16", batch_size=0, key="../weights"
        )
    message = str(caught.value)
    assert 'Did you mean "openvino"?' in message
    assert 'fp32, bf16, but got "fp16"' in message
    assert "batch_size must be at least 1, but got 0" in message
    assert 'hexadecimal, but got "../weights"' in message


WITHOUT_OPENVINO = """
import sys, torch
sys.modules["openvino"] = None  # as Python marks what cannot be imported
from unfreeze.engines import open_engine
from unfreeze.errors import ConfigError
prefix = torch.nn.Flatten()
pictures = torch.zeros(2, 3, 4, 4, dtype=torch.uint8)
try:
    open_engine(prefix, pictures, device=torch.device("cpu"), engine="openvino")
except ConfigError as error:
    print(error)
print(open_engine(prefix, pictures, device=torch.device("cpu")).engine.name)
"""


@pytest.mark.slow
def test_without_openvino_asking_for_it_says_how_to_get_it_and_auto_is_eager() -> None:
    result = subprocess.run([sys.executable, "-c", WITHOUT_OPENVINO], capture_output=True, text=True, check=True)
    said, auto = result.stdout.strip().splitlines()
    assert 'pip install "openvino>=' in said
    assert auto == "eager"


def test_importing_the_package_loads_neither_torch_nor_openvino() -> None:
    program = "import sys, unfreeze.engines; print({'torch', 'openvino'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
