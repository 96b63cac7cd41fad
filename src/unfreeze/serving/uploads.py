"""Uploaded files, read from a multipart body into memory within limits.

Nothing is written to disk, and a file's name is never more than a text: it is cleaned for display and handed back.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect

from unfreeze.serving.refusing import Refusal

if TYPE_CHECKING:
    from starlette.requests import Request

    from unfreeze.serving.limits import Limits

__all__ = ["Form", "Upload", "read_form", "shown_name"]

MULTIPART = b"multipart/form-data"
MAX_TEXT_BYTES = 4096  # of a text field: the name of a class
MAX_NAME_LENGTH = 200  # characters
MIB = 1024**2


@dataclass(frozen=True, slots=True)
class Upload:
    """One uploaded file: what to call it, and its bytes."""

    name: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Form:
    """A form that was read: its files, in order, and its text fields."""

    files: tuple[Upload, ...]
    texts: Mapping[str, str]


async def read_form(
    request: Request,
    limits: Limits,
    *,
    file_field: str,
    text_fields: Collection[str] = (),
    max_files: int | None = None,
    hold: Callable[[int], None] | None = None,
) -> Form:
    """Read a multipart form from a request.

    Args:
        request: whose body has not been read.
        limits: of bytes, files and the time that the body may take.
        file_field: the name of the field, to be given once or several times, that holds files.
        text_fields: the names of the text fields that may be given, each once.
        max_files: at most so many; None: as many as the limits say.
        hold: told of bytes before they are kept; may raise. See `Ticket.hold`.

    Raises:
        Refusal: 415 another type of content; 413 too many bytes or files; 408 too slow; 400 not a proper form;
            422 a field that is not known, or no file.
    """
    most = limits.max_files if max_files is None else max_files
    boundary = _boundary(request)
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limits.max_upload_bytes:
        raise _too_large(limits)
    reader = _FormReader(boundary, file_field=file_field, text_fields=text_fields, max_files=most)
    try:
        async with asyncio.timeout(limits.upload_seconds):
            n_bytes = 0
            async for chunk in request.stream():
                n_bytes += len(chunk)
                if n_bytes > limits.max_upload_bytes:
                    raise _too_large(limits)
                if hold is not None:
                    hold(len(chunk))
                reader.write(chunk)
    except TimeoutError:
        raise Refusal(
            HTTPStatus.REQUEST_TIMEOUT,
            "too_slow",
            f"The upload took longer than {limits.upload_seconds:g} seconds. Send fewer or smaller files at a time.",
        ) from None
    except ClientDisconnect:
        raise Refusal(HTTPStatus.BAD_REQUEST, "disconnected", "The connection ended before the upload did.") from None
    return reader.finish()


def shown_name(raw: str) -> str:
    r"""Return a client's name of a file as a text that is safe to show: no control characters, not endless.

    >>> shown_name("cat.jpg"), shown_name("a\x00b\u202egpj.exe"), shown_name("")
    ('cat.jpg', 'abgpj.exe', 'picture')
    """
    kept = "".join(char for char in raw[: 2 * MAX_NAME_LENGTH] if unicodedata.category(char)[0] != "C").strip()
    return kept[:MAX_NAME_LENGTH] or "picture"


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != MULTIPART:
        shown = shown_name(kind.decode("latin-1")) if kind else "none"
        raise Refusal(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "wrong_content_type",
            f"Expected the content type multipart/form-data, but got {shown}. With curl: -F files=@picture.jpg",
            headers={"Accept-Post": MULTIPART.decode()},
        )
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise _malformed("its content type names no boundary")
    return boundary


@dataclass(slots=True)
class _Part:
    """A part of the form that is being received."""

    headers: dict[bytes, bytes] = field(default_factory=dict)
    name: str = ""
    file_name: str | None = None
    content: bytearray = field(default_factory=bytearray)


class _FormReader:
    """Turns the bytes of a multipart body into a form, part by part, and stops at the first that may not be."""

    def __init__(self, boundary: bytes, *, file_field: str, text_fields: Collection[str], max_files: int) -> None:
        self._file_field = file_field
        self._text_fields = text_fields
        self._max_files = max_files
        self._files: list[Upload] = []
        self._texts: dict[str, str] = {}
        self._part = _Part()
        self._header = (bytearray(), bytearray())
        self._ended = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
                    "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._open,
                    "on_part_data": self._extend,
                    "on_part_end": self._end,
                    "on_end": self._finish,
                },
            )
        except FormParserError as error:
            raise _malformed(str(error)) from None

    def write(self, chunk: bytes) -> None:
        """Take the next bytes of the body."""
        if not chunk or self._ended:
            return  # what follows the last boundary has no meaning (RFC 2046)
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _malformed(str(error)) from None

    def finish(self) -> Form:
        """Return the form, now that the body has ended."""
        if not self._ended:
            raise _malformed("it ends before its last boundary")
        if not self._files:
            raise Refusal(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "no_file",
                f'Expected a file in the field "{self._file_field}", but the form has none.',
            )
        return Form(tuple(self._files), self._texts)

    def _begin(self) -> None:
        self._part = _Part()
        self._header = (bytearray(), bytearray())

    def _end_header(self) -> None:
        name, value = self._header
        self._part.headers[bytes(name).lower()] = bytes(value)
        self._header = (bytearray(), bytearray())

    def _open(self) -> None:
        """Decide, when a part's headers are complete, whether it may be."""
        kind, options = parse_options_header(self._part.headers.get(b"content-disposition"))
        if kind != b"form-data" or b"name" not in options:
            raise _malformed("a part has no Content-Disposition: form-data with a name")
        self._part.name = options[b"name"].decode("utf-8", "replace")
        if b"filename" in options:
            self._part.file_name = options[b"filename"].decode("utf-8", "replace")
        if self._part.name == self._file_field:
            self._open_file()
        elif self._part.name not in self._text_fields:
            known = ", ".join([self._file_field, *self._text_fields])
            raise _unprocessable("unknown_field", f'There is no field "{shown_name(self._part.name)}". Known: {known}.')
        elif self._part.name in self._texts:
            raise _unprocessable("repeated_field", f'The field "{self._part.name}" is given more than once.')

    def _open_file(self) -> None:
        if self._part.file_name is None:
            raise _unprocessable(
                "not_a_file", f'The field "{self._file_field}" must be a file (a part with a filename), not a text.'
            )
        if len(self._files) >= self._max_files:
            raise Refusal(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "too_many_files",
                f"At most {self._max_files} files are taken in one request. Send the others in further ones.",
            )

    def _extend(self, data: bytes, start: int, end: int) -> None:
        content = self._part.content
        content += memoryview(data)[start:end]
        if self._part.name != self._file_field and len(content) > MAX_TEXT_BYTES:
            raise Refusal(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "too_large",
                f'The field "{self._part.name}" is longer than {MAX_TEXT_BYTES} bytes.',
            )

    def _end(self) -> None:
        if self._part.name == self._file_field:
            self._files.append(Upload(shown_name(self._part.file_name or ""), bytes(self._part.content)))
        else:
            self._texts[self._part.name] = self._part.content.decode("utf-8", "replace")
        self._part = _Part()

    def _finish(self) -> None:
        self._ended = True


def _too_large(limits: Limits) -> Refusal:
    return Refusal(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "too_large",
        f"At most {limits.max_upload_bytes / MIB:.4g} MiB are taken in one request. Send fewer or smaller files.",
    )


def _malformed(why: str) -> Refusal:
    return Refusal(HTTPStatus.BAD_REQUEST, "malformed_form", f"The form is malformed: {why}.")


def _unprocessable(code: str, message: str) -> Refusal:
    return Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, code, message)
