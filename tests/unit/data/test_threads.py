from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import torch

from unfreeze.data.threads import computing_alone, n_usable_cores, one_thread


def test_usable_cores_are_at_least_one_and_no_more_than_the_machines() -> None:
    assert 1 <= n_usable_cores() <= (os.cpu_count() or 1)


def test_a_thread_that_computes_alone_leaves_the_others_their_number() -> None:
    before = torch.get_num_threads()
    with ThreadPoolExecutor(1, initializer=computing_alone()) as pool:
        assert pool.submit(torch.get_num_threads).result() == 1
    assert torch.get_num_threads() == before


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
