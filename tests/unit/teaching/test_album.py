"""The pictures of a lesson: added once, known by content, and read anew where others changed them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from unfreeze.data.threads import n_usable_cores
from unfreeze.errors import ConfigError, NoSuchClassError, NoSuchPictureError
from unfreeze.teaching.album import Album
from unfreeze.teaching.folder import ClassFolders
from unfreeze.teaching.snapshot import dataset_of


@pytest.fixture
def album(tmp_path: Path) -> Album:
    """An album of the empty classes cup and pen."""
    found = Album(ClassFolders(tmp_path / "lesson"))
    for name in ("cup", "pen"):
        found.add_class(name)
    return found


def test_pictures_are_added_under_names_of_their_content(album: Album, encode: Callable[..., bytes]) -> None:
    (jpeg, png) = album.add("cup", [("../../x.png", encode(0, form="JPEG")), ("y.txt", encode(1))])
    assert (jpeg.outcome, png.outcome) == ("added", "added")
    assert jpeg.file is not None
    assert jpeg.file.startswith("cup/")
    assert jpeg.file.endswith(".jpg")
    assert album.snapshot().counts == {"cup": 2, "pen": 0}
    assert album.payload(jpeg.file) == encode(0, form="JPEG")


def test_the_same_picture_is_known_in_its_class_and_refused_in_another(
    album: Album, encode: Callable[..., bytes]
) -> None:
    payload = encode(0)
    first, second = album.add("cup", [("a", payload), ("b", payload)])
    (third,) = album.add("pen", [("c", payload)])
    assert [first.outcome, second.outcome, third.outcome] == ["added", "known", "refused"]
    assert second.file == first.file
    assert third.reason is not None
    assert '"cup" already' in third.reason
    assert album.snapshot().counts == {"cup": 1, "pen": 0}


def test_what_is_no_picture_is_refused_and_the_others_are_added(album: Album, encode: Callable[..., bytes]) -> None:
    payload = encode(0)
    outcomes = album.add("cup", [("a", b""), ("b", b"no picture"), ("c", payload[: len(payload) // 2]), ("d", payload)])
    assert [each.outcome for each in outcomes] == ["refused", "refused", "refused", "added"]
    assert all(each.reason is not None and each.name in each.reason for each in outcomes[:3])
    assert len(list((album.folders.root / "cup").iterdir())) == 1


def test_versions_count_changes_and_nothing_else(album: Album, encode: Callable[..., bytes]) -> None:
    version = album.version
    album.add("cup", [("a", encode(0))])
    assert album.version == version + 1
    album.add("cup", [("a", encode(0)), ("b", b"")])
    assert not album.refresh()
    assert album.version == version + 1


def test_what_others_change_on_disk_is_seen_when_asked_for(album: Album, encode: Callable[..., bytes]) -> None:
    (added,) = album.add("cup", [("a", encode(0))])
    assert added.file is not None
    (album.folders.root / added.file).unlink()
    (album.folders.root / "new").mkdir()
    (album.folders.root / "new" / "x.png").write_bytes(encode(3))
    (album.folders.root / "pen" / "broken.png").write_bytes(b"no picture")
    assert album.snapshot().counts == {"cup": 1, "pen": 0}
    assert album.refresh()
    assert album.snapshot().counts == {"cup": 0, "new": 1, "pen": 0}
    assert list(album.snapshot().unreadable) == ["pen/broken.png"]


def test_a_class_made_by_hand_takes_pictures(album: Album, encode: Callable[..., bytes]) -> None:
    (album.folders.root / "new").mkdir()
    (added,) = album.add("new", [("a", encode(0))])
    assert added.outcome == "added"


def test_renaming_keeps_what_is_known_of_the_pictures(album: Album, encode: Callable[..., bytes]) -> None:
    album.add("cup", [("a", encode(0))])
    album.rename_class("cup", "mug")
    assert album.snapshot().counts == {"mug": 1, "pen": 0}
    (file,) = album.snapshot().fingerprints
    assert album.snapshot().fingerprints[file].file == file
    assert not album.refresh()
    (again,) = album.add("mug", [("b", encode(0))])
    assert again.outcome == "known"


def test_only_pictures_of_the_album_can_be_read_or_removed(album: Album, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"secret")
    (album.folders.root / "cup" / "notes.txt").write_text("secret")
    for file in ("../secret.png", "cup/notes.txt", "cup/../../secret.png", "cup"):
        with pytest.raises(NoSuchPictureError, match="There is no picture"):
            album.payload(file)
        with pytest.raises(NoSuchPictureError, match="There is no picture"):
            album.remove(file)


def test_a_picture_that_others_took_away_is_missing(album: Album, encode: Callable[..., bytes]) -> None:
    (added,) = album.add("cup", [("a", encode(0))])
    assert added.file is not None
    (album.folders.root / added.file).unlink()
    with pytest.raises(NoSuchPictureError):
        album.payload(added.file)
    with pytest.raises(NoSuchPictureError):
        album.remove(added.file)


def test_only_classes_that_it_knows_are_renamed_taken_out_or_listed(album: Album) -> None:
    papers = album.folders.root / "papers"
    papers.mkdir()
    (papers / "will.odt").write_text("no picture")
    assert not album.refresh()
    changes: tuple[Callable[[], object], ...] = (
        lambda: album.remove_class("papers"),
        lambda: album.rename_class("papers", "pictures"),
        lambda: album.newest_first("papers"),
        lambda: album.add("papers", [("a", b"")]),
    )
    for change in changes:
        with pytest.raises(NoSuchClassError, match='There is no class "papers"'):
            change()
    assert (papers / "will.odt").is_file()


def test_all_that_is_added_is_decoded_by_as_many_threads_as_there_are_cores(
    album: Album, encode: Callable[..., bytes]
) -> None:
    with ThreadPoolExecutor(8) as tabs:
        for each in [tabs.submit(album.add, "cup", [("a", encode(0, seed))] * 4) for seed in range(16)]:
            each.result()
        decoding = [thread for thread in threading.enumerate() if thread.name.startswith("unfreeze-teach")]
    mine = [thread for thread in decoding if thread in album.decoding._threads]
    assert 1 <= len(mine) <= n_usable_cores()
    album.close()
    assert not any(thread.is_alive() for thread in mine)


def test_a_class_is_looked_for_before_pictures_are_decoded(album: Album, encode: Callable[..., bytes]) -> None:
    album.close()  # nothing can be decoded any more
    with pytest.raises(NoSuchClassError):
        album.add("absent", [("a", encode(0))])


def test_nothing_is_taken_away_while_a_run_is_saved(album: Album, encode: Callable[..., bytes]) -> None:
    (added,) = album.add("cup", [("a", encode(0))])
    assert added.file is not None
    with album.held():
        for change in (
            lambda: album.remove(str(added.file)),
            lambda: album.remove_class("cup"),
            lambda: album.rename_class("cup", "mug"),
        ):
            with pytest.raises(ConfigError, match="is being saved"):
                change()
        album.add("cup", [("b", encode(1))])
    album.remove(added.file)
    assert album.snapshot().counts == {"cup": 1, "pen": 0}


def test_many_threads_add_each_picture_once(album: Album, encode: Callable[..., bytes]) -> None:
    payloads = [encode(0, seed=seed) for seed in range(12)]
    with ThreadPoolExecutor(4) as pool:
        work = [pool.submit(album.add, "cup", [("a", payload)]) for payload in payloads * 3]
        reading = [pool.submit(album.refresh) for _ in range(3)]
        outcomes = [each.outcome for job in work for each in job.result()]
        for job in reading:
            job.result()
    assert outcomes.count("added") == 12
    assert outcomes.count("known") == 24
    assert len(list((album.folders.root / "cup").iterdir())) == 12


def test_frames_of_a_recording_are_grouped_in_the_data_set(album: Album, encode: Callable[..., bytes]) -> None:
    album.add("cup", [(str(seed), encode(0, seed=seed)) for seed in range(3)], recording="0123abcd")
    album.add("cup", [("single", encode(0, seed=3))])
    album.add("pen", [("single", encode(1))])
    dataset = dataset_of(album.folders, album.snapshot(), ("cup", "pen"))
    assert dataset.groups is not None
    assert len(set(dataset.groups)) == 3
    assert dataset.counts == {"cup": 4, "pen": 1}
    with pytest.raises(ConfigError, match="eight hexadecimal"):
        album.add("cup", [("a", encode(0, seed=9))], recording="../..")
