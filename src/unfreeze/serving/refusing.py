"""What a service answers where it cannot do what was asked: a status, and `{"error": {"code", "message"}}`."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import Response

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request

__all__ = ["Refusal", "add_error_handlers", "error_response"]


class Refusal(Exception):  # noqa: N818 - not an error of ours: the answer to a request that cannot be met
    """A request, or one file of it, that is not done.

    Attributes:
        status: of the HTTP answer.
        code: one word for programs, such as "too_large".
        message: for people: what was expected, what was got, what to do next.
        headers: further ones of the answer.
    """

    def __init__(self, status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = dict(headers or {})

    def response(self) -> Response:
        """Return the HTTP answer."""
        return error_response(self.status, self.code, self.message, headers=self.headers)


def error_response(status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None) -> Response:
    """Return `{"error": {"code", "message"}}` as an HTTP answer."""
    content = msgspec.json.encode({"error": {"code": code, "message": message}})
    return Response(content, status_code=status, headers=headers, media_type="application/json")


def add_error_handlers(app: FastAPI) -> None:
    """Let what an application refuses, by itself or by its framework, be answered in the one form."""
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(HTTPException, _framework_error)


def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return error.response()


def _framework_error(request: Request, error: Exception) -> Response:
    """Answer what the framework refuses: unknown addresses and methods."""
    assert isinstance(error, HTTPException)
    messages = {
        HTTPStatus.NOT_FOUND: "There is nothing at this address. /openapi.json lists what there is.",
        HTTPStatus.METHOD_NOT_ALLOWED: f"{request.method} means nothing here. The header Allow lists what does.",
    }
    status = HTTPStatus(error.status_code)
    code = status.phrase.lower().replace(" ", "_")
    return error_response(status, code, messages.get(status, str(error.detail)), headers=error.headers)
