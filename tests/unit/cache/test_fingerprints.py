from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from unfreeze.cache import FingerprintIndex, fingerprint_from_text, fingerprint_text, scan_new
from unfreeze.data.fingerprint import Fingerprint
from unfreeze.data.scanning import scan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np

fingerprints = st.builds(
    Fingerprint,
    st.text(),
    st.text("0123456789abcdef", min_size=64, max_size=64),
    phash=st.none() | st.integers(0, 2**64 - 1),
    thumb=st.binary(max_size=768),
    size=st.tuples(st.integers(0, 2**20), st.integers(0, 2**20)),
    mode=st.sampled_from(["RGB", "I;16"]),
    format=st.just("PNG"),
    n_frames=st.integers(1, 9),
    depth_min=st.none() | st.integers(0, 65535) | st.floats(-1e6, 1e6),
    depth_max=st.none() | st.integers(0, 65535) | st.floats(-1e6, 1e6),
)


@settings(deadline=None)
@given(fingerprints)
def test_fingerprints_survive_the_way_through_text(fingerprint: Fingerprint) -> None:
    text = fingerprint_text(fingerprint)
    assert text is not None
    assert fingerprint_from_text(text, file=fingerprint.file) == fingerprint


def test_an_unreadable_file_is_not_kept() -> None:
    assert fingerprint_text(Fingerprint("a", "", error="no permission")) is None


def test_text_of_another_version_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    text = fingerprint_text(Fingerprint("a", "ab"))
    assert text is not None
    monkeypatch.setattr("unfreeze.cache.fingerprints.FINGERPRINT_VERSION", 2)
    assert fingerprint_from_text(text, file="a") is None
    for garbage in ("", "[]", '{"recipe": "", "fingerprint": {"file": 1}}'):
        assert fingerprint_from_text(garbage, file="a") is None


def test_trap_32_a_second_scan_reads_only_what_is_new_or_changed(
    tmp_path: Path, make_picture: Callable[..., np.ndarray]
) -> None:
    names = [f"{i}.png" for i in range(6)]
    for number, name in enumerate(names):
        Image.fromarray(make_picture(0, seed=number)).save(tmp_path / name)
        os.utime(tmp_path / name, (1_600_000_000, 1_600_000_000))
    asked: list[Sequence[str]] = []

    def read(some: Sequence[str]) -> tuple[Fingerprint, ...]:
        asked.append(some)
        return scan(tmp_path, some)

    index = FingerprintIndex(tmp_path / "pictures.sqlite")
    first = scan_new(tmp_path, names[:4], index=index, scan=read)
    assert scan_new(tmp_path, names[:4], index=index, scan=read) == first
    Image.fromarray(make_picture(1, seed=9)).save(tmp_path / names[1])
    assert scan_new(tmp_path, [*names, names[0]], index=index, scan=read) == scan(tmp_path, [*names, names[0]])
    assert asked == [names[:4], [names[1], names[4], names[5]]]
