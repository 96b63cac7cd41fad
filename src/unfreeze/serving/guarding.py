"""What of an uploaded file is refused before a decoder sees it."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from unfreeze.data import read_header
from unfreeze.errors import ImageError, TooManyPixelsError
from unfreeze.serving.refusing import Refusal

if TYPE_CHECKING:
    from unfreeze.serving.uploads import Upload

__all__ = ["check_upload", "unreadable"]


def check_upload(upload: Upload, *, max_pixels: int) -> None:
    """Look at an uploaded picture's header, and at whether its bytes bear it out; see `unfreeze.data.read_header`.

    Args:
        upload: the file.
        max_pixels: the most that its header may say.

    Raises:
        Refusal: 413 too many pixels; 422 empty, not a picture, cut off, several pictures in one.
    """
    try:
        read_header(upload.payload, name=upload.name, max_pixels=max_pixels)
    except TooManyPixelsError as error:
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_many_pixels", str(error)) from None
    except ImageError as error:
        raise unreadable(error) from None


def unreadable(error: ImageError) -> Refusal:
    """Return what is answered for a picture that cannot be read."""
    return Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, "unreadable", str(error))
