"""One thread for a moment."""

from __future__ import annotations

import threading

import torch

from unfreeze.engines.threads import one_thread


def test_only_this_thread_is_limited_and_only_meanwhile() -> None:
    before = torch.get_num_threads()
    elsewhere = []
    with one_thread():
        assert torch.get_num_threads() == 1
        other = threading.Thread(target=lambda: elsewhere.append(torch.get_num_threads()))
        other.start()
        other.join()
    assert torch.get_num_threads() == before
    assert elsewhere == [before]
