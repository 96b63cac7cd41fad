"""`unfreeze cache` as a user runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from unfreeze.cache import ActivationCache, PassDescription, row_key

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KEYS = ("0123" * 16, "89ab" * 16)


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A cache directory with two passes of three rows each."""
    cache = ActivationCache(tmp_path / "filled", quota_bytes=10**9)
    for key, model in zip(KEYS, ("resnet50", "vgg16"), strict=True):
        said = PassDescription(
            model=model,
            frontier="features",
            size=(224, 192),
            views="light, seed 0",
            engine="openvino",
            precision="fp32",
        )
        with cache.writing(key, description=said, n_rows=3) as writer:
            names = [row_key(f"{i:064x}", augment="light", view=0, file=str(i)) for i in range(3)]
            writer.add(names, {"x": np.zeros((3, 8), np.float32)})
    return cache.directory


def test_list_says_what_is_kept(unfreeze: Callable[..., Any], filled: Path) -> None:
    done = unfreeze("cache", "list", "--cache-dir", filled)
    assert done.code == 0
    for text in (KEYS[0][:12], "resnet50", "vgg16", "features", "224×192", "light, seed 0", "openvino, fp32", " ago"):
        assert text in done.out
    assert KEYS[0] not in done.out


def test_list_as_json_has_whole_keys_and_all_figures(unfreeze: Callable[..., Any], filled: Path) -> None:
    payload = unfreeze("cache", "list", "--cache-dir", filled, "--json").json
    assert payload["directory"] == str(filled)
    assert {entry["key"] for entry in payload["passes"]} == set(KEYS)
    assert payload["n_bytes"] == sum(entry["n_bytes"] for entry in payload["passes"]) > 0
    assert payload["quota_bytes"] > 0
    first = payload["passes"][0]
    assert (first["n_rows"], first["description"]["size"]) == (3, [224, 192])


def test_an_empty_cache_is_no_error_and_is_not_made(unfreeze: Callable[..., Any], tmp_path: Path) -> None:
    assert "is empty" in unfreeze("cache", "list", "--cache-dir", tmp_path / "none").out
    assert "Deleted 0 passes; freed 0 B." in unfreeze("cache", "clear", "--cache-dir", tmp_path / "none").out
    assert not (tmp_path / "none").exists()


def test_clear_deletes_by_key_or_all_and_says_how_much(unfreeze: Callable[..., Any], filled: Path) -> None:
    payload = unfreeze("cache", "clear", "0123", "--cache-dir", filled, "--json").json
    assert (payload["n_passes"], payload["kept"]) == (1, [])
    assert payload["n_bytes"] > 0
    assert unfreeze("cache", "clear", "--cache-dir", filled).out.startswith("Deleted 1 pass; freed ")
    assert unfreeze("cache", "list", "--cache-dir", filled, "--json").json["passes"] == []


def test_the_directory_is_taken_from_the_environment(
    unfreeze: Callable[..., Any], filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNFREEZE_CACHE_DIR", str(filled))
    assert len(unfreeze("cache", "list", "--json").json["passes"]) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "ACTION is missing"),
        (("empty",), 'Choose from: "list", "clear"'),
        (("clear", "ffff"), 'No pass has a key that begins with "ffff"'),
        (("list", "ffff"), "takes no keys"),
        (("list", "--cache-dir", __file__), "is a file"),
    ],
)
def test_what_cannot_be_done_is_an_error_of_the_user(
    unfreeze: Callable[..., Any],
    arguments: tuple[str, ...],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("UNFREEZE_CACHE_DIR", str(tmp_path / "none"))
    done = unfreeze("cache", *arguments)
    assert done.code == 2
    assert message in done.err


def test_foreign_files_in_the_directory_stay(unfreeze: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    (tmp_path / "activations").mkdir()
    (tmp_path / "activations" / "mine.txt").write_text("mine")
    assert unfreeze("cache", "clear", "--cache-dir", tmp_path).code == 0
    assert (tmp_path / "thesis.txt").exists()
    assert (tmp_path / "activations" / "mine.txt").exists()
