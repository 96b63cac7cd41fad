"""`unfreeze check`: what is wrong with a data set, before anything is trained on it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from unfreeze.cli.answer import Answer
from unfreeze.cli.flags import CheckFlags, JsonFlag, options_from

if TYPE_CHECKING:
    from unfreeze.auditing import Finding

__all__ = ["check_command"]

N_FILES_SHOWN = 6
EXPLAINED_AT = "https://github.com/unfreeze-ml/unfreeze/blob/main/docs/reference/findings.md"


def check_command(
    data: Annotated[Path, Parameter(help="A folder of class folders, or a CSV or Parquet table.")],
    /,
    *,
    flags: Annotated[CheckFlags | None, Parameter(name="*")] = None,
    json: JsonFlag = False,
) -> Answer:
    """Look for what is wrong with pictures and labels: coded findings, each with its remedy.

    Labels are checked too where a training has left frozen features of all pictures in the cache. Finding something
    is not a failure: the exit code is 0.
    """
    import unfreeze as uf
    from unfreeze.cli.progress import watching

    with watching() as progress:
        findings = uf.check(data, progress=progress, **options_from(flags or {}))
    return Answer(
        as_json=json,
        payload={"data": str(data), "findings": [_payload(finding) for finding in findings]},
        shown=[*(_text(finding) for finding in findings), _closing(data, len(findings))],
    )


def _payload(finding: "Finding") -> dict[str, Any]:
    return {
        "code": finding.code,
        "severity": finding.severity,
        "message": finding.message,
        "files": list(finding.files),
        "remedy": finding.remedy,
    }


def _text(finding: "Finding") -> str:
    lines = [f"{finding.code} {finding.severity}: {finding.message}"]
    lines += [f"    {file}" for file in finding.files[:N_FILES_SHOWN]]
    n_more = len(finding.files) - N_FILES_SHOWN
    if n_more > 0:
        lines.append(f"    … and {n_more} more (all of them with --json)")
    lines.append(f"  → {finding.remedy}")
    return "\n".join(lines)


def _closing(data: Path, n_findings: int) -> str:
    if n_findings == 0:
        return f"Nothing found. Next: unfreeze train {data}"
    found = "1 finding" if n_findings == 1 else f"{n_findings} findings"
    return f"{found}. The codes are explained at {EXPLAINED_AT}"
