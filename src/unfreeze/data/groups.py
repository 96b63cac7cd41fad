"""What must stay on one side of a split: pictures of one patient, slide or item (trap 18)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from unfreeze.data.dataset import name_some
from unfreeze.errors import ConfigError

__all__ = ["PARENT", "describe_groups", "group_by_parent", "group_by_pattern"]

PARENT = "parent"


def group_by_parent(files: Sequence[str], folders: Sequence[str]) -> tuple[str, ...]:
    """Return for each picture the sub-folder in which it lies, for slides and patients.

    The same sub-folder name under two classes is one group: a patient may be in both. A picture that
    lies in no sub-folder is a group of its own.

    Args:
        files: (n,) names.
        folders: (n,) the folder of each below its class folder, "" if there is none.

    Raises:
        ConfigError: no picture lies in a sub-folder, or all lie in the same one.
    """
    if not any(folders):
        raise ConfigError(
            "--group parent needs sub-folders below the class folders (class/patient/picture.png), but every "
            "picture lies in its class folder itself. Give a regular expression for file names, or a table's column, "
            "instead."
        )
    groups = tuple(folder or file for file, folder in zip(files, folders, strict=True))
    return _several(groups, "--group parent")


def group_by_pattern(files: Sequence[str], pattern: str) -> tuple[str, ...]:
    r"""Return for each picture what a regular expression finds in its name.

    The pattern is searched in the file name, or in the whole relative path if it contains a "/". The
    group is what its first capture group matched or, if it has none, the whole match.

    Raises:
        ConfigError: the pattern is malformed, does not match every picture, or finds the same in all.

    >>> group_by_pattern(["a/p01_3.png", "a/p02_1.png"], r"p(\d+)_")
    ('01', '02')
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f'--group "{pattern}" is not a regular expression: {error}.') from None
    texts = files if "/" in pattern else [file.rsplit("/", 1)[-1] for file in files]
    found = [_found(compiled, text) for text in texts]
    unmatched = [file for file, group in zip(files, found, strict=True) if group is None]
    if unmatched:
        where = "paths" if "/" in pattern else "file names"
        raise ConfigError(
            f'--group "{pattern}" matches the {where} of {len(files) - len(unmatched)} of {len(files)} pictures, '
            f"but every picture needs a group. Not matched: {name_some(unmatched)}. In a folder of class folders "
            '--group is a regular expression for what names the patient or item in every file name, as "p[0-9]+", or '
            '"parent" for the sub-folder; a table can have a column for it.'
        )
    return _several(tuple(group or "" for group in found), f'--group "{pattern}"')


def describe_groups(groups: Sequence[str], how: str) -> str:
    """Return the note that tells how many groups there are."""
    return f"Grouped by {how}: {len(set(groups))} groups, each wholly on one side of the split."


def _found(pattern: re.Pattern[str], text: str) -> str | None:
    match = pattern.search(text)
    if match is None:
        return None
    return match.group(1 if pattern.groups else 0)


def _several(groups: tuple[str, ...], what: str) -> tuple[str, ...]:
    if len(groups) > 1 and len(set(groups)) == 1:
        raise ConfigError(
            f'{what} puts all {len(groups)} pictures into one group ("{groups[0]}"), which cannot be split. '
            "Choose another grouping, or leave --group out."
        )
    return groups
