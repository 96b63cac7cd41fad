from __future__ import annotations

import subprocess
import sys

import pytest

import unfreeze.data


def test_every_public_name_is_there() -> None:
    for name in unfreeze.data.__all__:
        assert getattr(unfreeze.data, name) is not None
    assert set(unfreeze.data.__all__) <= set(dir(unfreeze.data))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"unfreeze\.data attribute nothing"):
        _ = unfreeze.data.nothing


def test_scan_is_the_function_however_it_is_imported() -> None:
    import unfreeze.data.scanning

    assert unfreeze.data.scan is unfreeze.data.scanning.scan


def test_opening_and_splitting_do_not_load_torch() -> None:
    code = (
        "import sys; from unfreeze.data import open_dataset, split_dataset, epoch_order; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
