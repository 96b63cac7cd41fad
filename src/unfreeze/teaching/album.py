"""The pictures of a lesson: what lies in its class folders, and what is known of each file."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from unfreeze.cache import FileState, FingerprintIndex, file_state, scan_new
from unfreeze.data import Dataset, Fingerprint, fingerprint_bytes, scan
from unfreeze.data.groups import group_by_pattern
from unfreeze.data.threads import n_usable_cores
from unfreeze.errors import ConfigError, DataError, UnfreezeError
from unfreeze.teaching.folder import ClassFolders
from unfreeze.teaching.names import RECORDINGS, check_recording, is_recorded, picture_name

__all__ = ["Added", "Album", "Snapshot", "class_of", "dataset_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What became of one picture that was to be added.

    Attributes:
        name: as it was called where it came from.
        outcome: "added"; "known" where the class has it already; "refused".
        file: where it lies, relative to the folder; None where it was refused.
        reason: why it was not added; None if it was.
    """

    name: str
    outcome: Literal["added", "known", "refused"]
    file: str | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What an album held at one moment.

    Attributes:
        version: counts the changes since the album was opened.
        classes: all class names, sorted; some may have no pictures.
        fingerprints: of the readable pictures, by file name relative to the folder, in the names' order.
        unreadable: why pictures cannot be read, by file name.
    """

    version: int
    classes: tuple[str, ...]
    fingerprints: Mapping[str, Fingerprint]
    unreadable: Mapping[str, str]

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many readable pictures each class has."""
        found = Counter(class_of(file) for file in self.fingerprints)
        return {name: found[name] for name in self.classes}


def dataset_of(folders: ClassFolders, snapshot: Snapshot, classes: Sequence[str]) -> Dataset:
    """Return the pictures of some classes as a data set; frames of one recording are a group."""
    number_of = {name: number for number, name in enumerate(classes)}
    files = tuple(file for file in snapshot.fingerprints if class_of(file) in number_of)
    grouped = len(classes) > 1 and any(map(is_recorded, files))
    return Dataset(
        root=folders.root,
        files=files,
        task="classification",
        outputs=tuple(classes),
        targets=np.array([number_of[class_of(file)] for file in files], dtype=np.int64),
        groups=group_by_pattern(files, RECORDINGS) if grouped else None,
    )


class Album:
    """All pictures of a lesson. Safe for several threads; the disk is read when asked to, and on every change.

    Args:
        folders: where they lie.
        index: what is known of files from earlier, so that they are not read again; None: nothing.
    """

    def __init__(self, folders: ClassFolders, index: FingerprintIndex | None = None) -> None:
        self.folders = folders
        self._index = index
        self._lock = threading.Lock()
        self._refreshing = threading.Lock()  # taken before the other, never after it
        self._known: dict[str, tuple[FileState | None, Fingerprint]] = {}
        self._classes: tuple[str, ...] = ()
        self._version = 0
        self._is_held = False

    @property
    def version(self) -> int:
        """How often it has changed."""
        return self._version

    def snapshot(self) -> Snapshot:
        """Return what it holds now."""
        with self._lock:
            known = [(file, fingerprint) for file, (_, fingerprint) in sorted(self._known.items())]
            return Snapshot(
                version=self._version,
                classes=self._classes,
                fingerprints={file: each for file, each in known if each.error is None},
                unreadable={file: each.error for file, each in known if each.error is not None},
            )

    def refresh(self, progress: Callable[[int, int], None] | None = None) -> bool:
        """Read from disk what has changed there; return whether anything has.

        Args:
            progress: called as progress(n_read, n_new) while new pictures are read.

        Raises:
            UnfreezeError: the folder cannot be read any more, or is none of class folders now.
        """
        read: dict[str, tuple[FileState | None, Fingerprint]] = {}
        with self._refreshing:
            while True:
                with self._lock:
                    version, before = self._version, {**self._known, **read}
                found = self.folders.read()
                states = {file: file_state(self.folders.root / file) for file in found.layout.files}
                kept = {file: before[file] for file, state in states.items() if _is_same(before.get(file), state)}
                fresh = [file for file in states if file not in kept]
                read = {each.file: (states[each.file], each) for each in self._read(fresh, progress)}
                with self._lock:
                    if self._version != version:
                        continue  # changed here meanwhile: looked at again, but not read again
                    kept.update(read)
                    is_changed = kept != self._known or found.classes != self._classes
                    self._known, self._classes = kept, found.classes
                    self._version += is_changed
                    return is_changed

    def add(
        self, class_name: str, pictures: Sequence[tuple[str, bytes]], *, recording: str | None = None
    ) -> tuple[Added, ...]:
        """Add pictures to a class: each is decoded, and written under a name that its content gives.

        A picture that the album has already is not added again.

        Args:
            class_name: an existing class.
            pictures: what each is called where it came from, and the bytes of its file.
            recording: of which recording they are frames; None: of none.

        Raises:
            ConfigError: there is no such class, or the recording's name is none.
        """
        recording = check_recording(recording)
        with ThreadPoolExecutor(min(len(pictures), n_usable_cores()) or 1) as pool:
            looked_at = list(pool.map(lambda each: fingerprint_bytes(each[1], name=each[0]), pictures))
        if class_name not in self._classes:  # made by hand, perhaps
            self.refresh()
        with self._lock:
            by_content = {each.sha256: file for file, (_, each) in self._known.items()}
            found = []
            for (name, payload), fingerprint in zip(pictures, looked_at, strict=True):
                added = self._refused(class_name, name, fingerprint, by_content)
                if added is None:
                    added = self._write(class_name, name, payload, fingerprint, recording)
                    if added.file is not None:
                        by_content[fingerprint.sha256] = added.file
                found.append(added)
            self._version += any(each.outcome == "added" for each in found)
        return tuple(found)

    def remove(self, file: str) -> None:
        """Take a picture out.

        Raises:
            DataError: there is no such picture, or it cannot be moved.
            ConfigError: a run is being saved.
        """
        with self._changing():
            if file not in self._known:
                raise DataError(f'There is no picture "{file}" here. It may have been removed already.')
            self.folders.remove_picture(file)
            del self._known[file]

    def add_class(self, name: str) -> str:
        """Make a new class; return its name. See `ClassFolders.add_class`."""
        with self._lock:
            made = self.folders.add_class(name)
            self._classes = tuple(sorted({*self._classes, made}))
            self._version += 1
            return made

    def rename_class(self, name: str, to: str) -> str:
        """Rename a class; return its new name. See `ClassFolders.rename_class`."""
        with self._changing():
            made = self.folders.rename_class(name, to)
            self._classes = tuple(sorted({made if each == name else each for each in self._classes}))
            moved = {}
            for file, (state, each) in self._known.items():
                here = f"{made}/{file.partition('/')[2]}" if class_of(file) == name else file
                moved[here] = state, replace(each, file=here)
            self._known = moved
            return made

    def remove_class(self, name: str) -> None:
        """Take a class out with all its pictures. See `ClassFolders.remove_class`."""
        with self._changing():
            self.folders.remove_class(name)
            self._classes = tuple(each for each in self._classes if each != name)
            self._known = {file: known for file, known in self._known.items() if class_of(file) != name}

    def newest_first(self, class_name: str) -> tuple[Fingerprint, ...]:
        """Return the readable pictures of a class, those whose files are the newest first."""
        with self._lock:
            found = [
                (0 if state is None else -state.mtime_ns, file, fingerprint)
                for file, (state, fingerprint) in self._known.items()
                if fingerprint.error is None and class_of(file) == class_name
            ]
        return tuple(fingerprint for *_, fingerprint in sorted(found, key=lambda each: each[:2]))

    def payload(self, file: str) -> bytes:
        """Return the bytes of a picture's file.

        Raises:
            DataError: there is no such picture, or it cannot be read.
        """
        with self._lock:
            if file not in self._known:
                raise DataError(f'There is no picture "{file}" here. It may have been removed already.')
        try:
            return (self.folders.root / file).read_bytes()
        except OSError as error:
            raise DataError(f'"{file}" cannot be read: {error.strerror}. Let the folder be read anew.') from None

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let nothing be removed or renamed meanwhile; pictures may be added."""
        with self._lock:
            self._is_held = True
        try:
            yield
        finally:
            with self._lock:
                self._is_held = False

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Hold the lock while something is removed or renamed, and count it."""
        with self._lock:
            if self._is_held:
                raise ConfigError("A run is being saved from these pictures; try again when it is finished.")
            yield
            self._version += 1

    def _read(self, files: Sequence[str], progress: Callable[[int, int], None] | None) -> tuple[Fingerprint, ...]:
        root = self.folders.root
        if self._index is None:
            return scan(root, files, progress=progress)
        return scan_new(root, files, index=self._index, scan=lambda names: scan(root, names, progress=progress))

    def _refused(self, class_name: str, name: str, picture: Fingerprint, by_content: Mapping[str, str]) -> Added | None:
        """Say why a picture is not to be added; None if it is."""
        if picture.error is not None:
            return Added(name=name, outcome="refused", reason=picture.error)
        there = by_content.get(picture.sha256)
        if there is None:
            return None
        other = class_of(there)
        if other == class_name:
            return Added(name=name, outcome="known", file=there, reason=f'"{name}" is in "{class_name}" already.')
        return Added(
            name=name,
            outcome="refused",
            reason=f'"{name}" is in the class "{other}" already, and a picture shows one class only. '
            "Remove it there first.",
        )

    def _write(self, class_name: str, name: str, payload: bytes, picture: Fingerprint, recording: str | None) -> Added:
        try:
            file_name = picture_name(picture.sha256, picture.format, recording)
            file = self.folders.add_picture(class_name, file_name, payload)
        except ConfigError:
            raise
        except UnfreezeError as error:
            return Added(name=name, outcome="refused", reason=str(error))
        self._known[file] = file_state(self.folders.root / file), replace(picture, file=file)
        return Added(name=name, outcome="added", file=file)


def class_of(file: str) -> str:
    """Return the class of a picture by its name."""
    return file.partition("/")[0]


def _is_same(before: tuple[FileState | None, Fingerprint] | None, state: FileState | None) -> bool:
    """Tell whether a file is what it was when it was read."""
    return before is not None and state is not None and before[0] is not None and before[0].is_same_file_as(state)
