from __future__ import annotations

import sys
from pathlib import Path

import pytest

from unfreeze.cache import cache_directory, cache_quota
from unfreeze.cache.location import parse_bytes
from unfreeze.errors import ConfigError


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("UNFREEZE_CACHE_DIR", "UNFREEZE_CACHE_QUOTA", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)


def test_an_argument_wins_over_the_variable_and_that_over_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert cache_directory().name in ("unfreeze", "Cache")
    monkeypatch.setenv("UNFREEZE_CACHE_DIR", str(tmp_path / "a"))
    assert cache_directory() == tmp_path / "a"
    assert cache_directory(tmp_path / "b") == tmp_path / "b"
    assert not (tmp_path / "a").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="XDG directories are those of Linux")
def test_the_users_cache_directory_is_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_directory() == Path.home() / ".cache" / "unfreeze"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_directory() == tmp_path / "unfreeze"


def test_the_quota_is_a_tenth_of_what_is_free_and_at_most_20_gb(tmp_path: Path) -> None:
    assert 0 < cache_quota(tmp_path / "not" / "made") <= 20e9
    assert cache_quota(tmp_path, n_bytes_used=10**13) == 20 * 10**9


def test_the_quota_can_be_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UNFREEZE_CACHE_QUOTA", "50 GB")
    assert cache_quota(tmp_path) == 50 * 10**9
    monkeypatch.setenv("UNFREEZE_CACHE_QUOTA", "much")
    with pytest.raises(ConfigError, match=r'UNFREEZE_CACHE_QUOTA must be an amount such as .* but got "much"'):
        cache_quota(tmp_path)


@pytest.mark.parametrize(("text", "n_bytes"), [("0", 0), ("12", 12), ("1.5k", 1500), ("800MB", 800_000_000)])
def test_amounts_are_read_as_they_are_written(text: str, n_bytes: int) -> None:
    assert parse_bytes(text, name="quota") == n_bytes
