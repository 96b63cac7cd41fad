"""The token that a service may ask for, from where no other user of the machine can read it: not the command line."""

from __future__ import annotations

import os
from pathlib import Path

from unfreeze.errors import ConfigError

__all__ = ["TOKEN_VARIABLE", "find_token"]

TOKEN_VARIABLE = "UNFREEZE_TOKEN"  # noqa: S105 - the name of a variable
MIN_LENGTH = 16  # characters: what can be guessed is no token


def find_token(file: Path | None) -> str | None:
    """Return the token in a file, else that in UNFREEZE_TOKEN, else None.

    Raises:
        ConfigError: the file cannot be read, or the token is too short, or has characters that no header carries.
    """
    if file is None:
        found, where = os.environ.get(TOKEN_VARIABLE), TOKEN_VARIABLE
        if found is None:
            return None
    else:
        where = f'"{file}"'
        try:
            found = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise ConfigError(f"--token-file {where} cannot be read: {reason}.") from error
    token = found.strip()
    if len(token) < MIN_LENGTH or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigError(
            f"A token has at least {MIN_LENGTH} letters, digits and signs, without spaces, but that in {where} has "
            f"{len(token)} characters. A good one: python -c 'import secrets; print(secrets.token_urlsafe())'"
        )
    return token
