"""The one `openvino.Core` of this process."""

from __future__ import annotations

import functools
from typing import Any

__all__ = ["openvino_core"]


@functools.cache
def openvino_core() -> Any:
    """Return the `openvino.Core` that everything in this process shares and nothing ever frees.

    Loading OpenVINO's CPU plugin gives the calling thread an alternate signal stack, and freeing the plugin unmaps it
    (openvinotoolkit/openvino#11894). Freed out of order or by another thread, a second core would leave this thread
    with a stack that is no longer mapped, and the next Ctrl-C would be a segmentation fault in place of a checkpoint.
    """
    import openvino

    return openvino.Core()
