"""The pictures of a lesson: what lies in its class folders, and what is known of each file."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

from unfreeze.cache import FileState, FingerprintIndex, file_state, scan_new
from unfreeze.data import Fingerprint, depth_range, fingerprint_bytes, scan
from unfreeze.data.threads import computing_alone, n_usable_cores
from unfreeze.errors import ConfigError, DataError, NoSuchPictureError, UnfreezeError
from unfreeze.teaching.adding import Added, refused
from unfreeze.teaching.folder import ClassFolders, no_such_class
from unfreeze.teaching.names import check_recording, picture_name
from unfreeze.teaching.snapshot import Snapshot, class_of

__all__ = ["Album"]


class Album:
    """All pictures of a lesson. Safe for several threads; the disk is read when asked to, and on every change.

    Args:
        folders: where they lie.
        index: what is known of files from earlier, so that they are not read again; None: nothing.

    Attributes:
        decoding: the threads that decode what is added, tried or shown: one for each core, however many ask at once.
    """

    def __init__(self, folders: ClassFolders, index: FingerprintIndex | None = None) -> None:
        self.folders = folders
        self.decoding = ThreadPoolExecutor(
            n_usable_cores(), thread_name_prefix="unfreeze-teach", initializer=computing_alone()
        )
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
            NoSuchClassError: there is no such class.
            ConfigError: the recording's name is none.
        """
        self.check_addition(class_name, recording)
        looked_at = self.decoding.map(lambda each: (each[1], fingerprint_bytes(each[1], name=each[0])), pictures)
        return self.take(class_name, list(looked_at), recording=recording)

    def check_addition(self, class_name: str, recording: str | None) -> None:
        """Raise what `add` raises, before any picture is decoded; a class made by hand is looked for on disk."""
        check_recording(recording)
        if class_name not in self._classes:
            self.refresh()
        self._expect(class_name)

    def take(
        self, class_name: str, pictures: Sequence[tuple[bytes, Fingerprint]], *, recording: str | None = None
    ) -> tuple[Added, ...]:
        """Write pictures that were decoded already; see `add`.

        Args:
            class_name: an existing class.
            pictures: the bytes of each file, and what is known of it; one whose `error` is set is refused.
            recording: of which recording they are frames; None: of none.
        """
        found: list[Added] = []
        with self._lock:
            self._expect(class_name)  # it may have been renamed or removed meanwhile
            by_content = {each.sha256: file for file, (_, each) in self._known.items()}
            try:
                for payload, picture in pictures:
                    added = refused(class_name, picture, by_content)
                    if added is None:
                        added = self._write(class_name, payload, picture, recording)
                        if added.file is not None:
                            by_content[picture.sha256] = added.file
                    found.append(added)
            finally:
                self._version += any(each.outcome == "added" for each in found)
        return tuple(found)

    def remove(self, file: str) -> None:
        """Take a picture out.

        Raises:
            NoSuchPictureError: there is no such picture.
            DataError: it cannot be moved.
            ConfigError: a run is being saved.
        """
        with self._changing():
            self._expect_picture(file)
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
            self._expect(name)
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
            self._expect(name)
            self.folders.remove_class(name)
            self._classes = tuple(each for each in self._classes if each != name)
            self._known = {file: known for file, known in self._known.items() if class_of(file) != name}

    def newest_first(self, class_name: str) -> tuple[Fingerprint, ...]:
        """Return the readable pictures of a class, those whose files are the newest first.

        Raises:
            NoSuchClassError: there is no such class.
        """
        with self._lock:
            self._expect(class_name)
            found = [
                (0 if state is None else -state.mtime_ns, file, fingerprint)
                for file, (state, fingerprint) in self._known.items()
                if fingerprint.error is None and class_of(file) == class_name
            ]
        return tuple(fingerprint for *_, fingerprint in sorted(found, key=lambda each: each[:2]))

    def payload(self, file: str) -> bytes:
        """Return the bytes of a picture's file.

        Raises:
            NoSuchPictureError: there is no such picture.
            DataError: it cannot be read.
        """
        self._expect_picture(file)
        try:
            return (self.folders.root / file).read_bytes()
        except FileNotFoundError:  # taken away by others
            raise _no_such_picture(file) from None
        except OSError as error:
            raise DataError(f'"{file}" cannot be read: {error.strerror}. Let the folder be read anew.') from None

    def depth_range(self) -> tuple[float, float] | None:
        """Return what becomes 0 and 255 in its pictures of more than 8 bits; None if there are none."""
        with self._lock:
            return depth_range(each for _, each in self._known.values())

    def close(self) -> None:
        """End its threads; pictures can be added no more."""
        self.decoding.shutdown(cancel_futures=True)

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

    def _expect(self, class_name: str) -> None:
        """Raise unless it knows a class of this very name: no path leads elsewhere, and no other folder is one."""
        if class_name not in self._classes:
            raise no_such_class(class_name, self._classes)

    def _expect_picture(self, file: str) -> None:
        if file not in self._known:
            raise _no_such_picture(file)

    def _read(self, files: Sequence[str], progress: Callable[[int, int], None] | None) -> tuple[Fingerprint, ...]:
        root = self.folders.root
        if self._index is None:
            return scan(root, files, progress=progress)
        return scan_new(root, files, index=self._index, scan=lambda names: scan(root, names, progress=progress))

    def _write(self, class_name: str, payload: bytes, picture: Fingerprint, recording: str | None) -> Added:
        name = picture.file
        try:
            file_name = picture_name(picture.sha256, picture.format, recording)
            file = self.folders.add_picture(class_name, file_name, payload)
        except ConfigError:
            raise
        except UnfreezeError as error:
            return Added(name=name, outcome="refused", reason=str(error))
        self._known[file] = file_state(self.folders.root / file), replace(picture, file=file)
        return Added(name=name, outcome="added", file=file)


def _no_such_picture(file: str) -> NoSuchPictureError:
    return NoSuchPictureError(f'There is no picture "{file}" here. It may have been removed already.')


def _is_same(before: tuple[FileState | None, Fingerprint] | None, state: FileState | None) -> bool:
    """Tell whether a file is what it was when it was read."""
    return before is not None and state is not None and before[0] is not None and before[0].is_same_file_as(state)
