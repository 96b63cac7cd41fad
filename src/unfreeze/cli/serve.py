"""`unfreeze serve`: a run as a web service with a page."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from unfreeze.cli.answer import Answer
from unfreeze.cli.flags import MACHINE, JsonFlag, WholeNumber
from unfreeze.cli.service_flags import ServiceFlags, service_options
from unfreeze.serving import Limits

__all__ = ["serve_command"]

LIMITS = Group("Limits", sort_key=3)
DEFAULTS = Limits()
MIB = 1024**2
MILLION = 1_000_000


def serve_command(
    run: Annotated[Path, Parameter(help="The directory of a finished run.")],
    /,
    *,
    service: Annotated[ServiceFlags | None, Parameter(name="*")] = None,
    max_upload: Annotated[WholeNumber, Parameter(group=LIMITS, help="MiB in a request.")] = (
        DEFAULTS.max_upload_bytes // MIB
    ),
    max_megapixels: Annotated[WholeNumber, Parameter(group=LIMITS, help="Millions of pixels in a picture.")] = (
        DEFAULTS.max_pixels // MILLION
    ),
    max_files: Annotated[WholeNumber, Parameter(group=LIMITS, help="Pictures in a request.")] = DEFAULTS.max_files,
    max_in_flight: Annotated[WholeNumber, Parameter(group=LIMITS, help="Requests at a time.")] = DEFAULTS.max_in_flight,
    timeout: Annotated[
        float, Parameter(group=LIMITS, help="Seconds that an upload, and then its answer, may take.")
    ] = DEFAULTS.answer_seconds,
    engine: Annotated[
        Literal["auto", "openvino", "compile", "eager"],
        Parameter(group=MACHINE, help="What computes; auto is the fastest that agrees with PyTorch."),
    ] = "auto",
    device: Annotated[Literal["auto", "cpu", "cuda"], Parameter(group=MACHINE, help="Where to compute.")] = "auto",
    json: JsonFlag = False,
) -> Answer:
    """Serve a run's network: a page for people at /, and /predict and /explain for programs.

    Ctrl-C or SIGTERM ends it, once what is in flight is answered.
    """
    import unfreeze as uf

    limits = Limits(
        max_upload_bytes=max_upload * MIB,
        max_held_bytes=max(DEFAULTS.max_held_bytes, 4 * max_upload * MIB),
        max_pixels=max_megapixels * MILLION,
        max_files=max_files,
        max_in_flight=max_in_flight,
        upload_seconds=timeout,
        answer_seconds=timeout,
    )
    url = uf.load(run).serve(limits=limits, engine=engine, device=device, **service_options(service or {}))
    return Answer(as_json=json, payload={"run": str(run), "url": url}, shown=["Stopped."])
