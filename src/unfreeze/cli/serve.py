"""`unfreeze serve`: a run as a web service with a page."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from unfreeze.cli.answer import Answer
from unfreeze.cli.flags import MACHINE, JsonFlag, WholeNumber
from unfreeze.serving import Limits

__all__ = ["serve_command"]

SERVICE = Group("Service", sort_key=2)
LIMITS = Group("Limits", sort_key=3)
DEFAULTS = Limits()
MIB = 1024**2
MILLION = 1_000_000


def serve_command(
    run: Annotated[Path, Parameter(help="The directory of a finished run.")],
    /,
    *,
    port: Annotated[WholeNumber, Parameter(group=SERVICE, help="Where to listen; 0 takes any that is free.")] = 8000,
    host: Annotated[
        str, Parameter(group=SERVICE, help="Who can reach it: 127.0.0.1 this machine only, 0.0.0.0 the network.")
    ] = "127.0.0.1",
    token_file: Annotated[
        Path | None,
        Parameter(group=SERVICE, help="Ask for the token in this file. [default: that in UNFREEZE_TOKEN, else none]"),
    ] = None,
    allow_host: Annotated[
        tuple[str, ...],
        Parameter(group=SERVICE, help="A further name that it is called by, such as a proxy's; repeatable."),
    ] = (),
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
    from unfreeze.serving.tokens import find_token

    limits = Limits(
        max_upload_bytes=max_upload * MIB,
        max_held_bytes=max(DEFAULTS.max_held_bytes, 4 * max_upload * MIB),
        max_pixels=max_megapixels * MILLION,
        max_files=max_files,
        max_in_flight=max_in_flight,
        upload_seconds=timeout,
        answer_seconds=timeout,
    )
    url = uf.load(run).serve(
        host=host,
        port=port,
        token=find_token(token_file),
        also_known_as=allow_host,
        limits=limits,
        engine=engine,
        device=device,
        said=lambda text: print(text, file=sys.stderr, flush=True),
    )
    return Answer(as_json=json, payload={"run": str(run), "url": url}, shown=["Stopped."])
