from __future__ import annotations

import subprocess
import sys

import pytest

import unfreeze as uf


def test_every_public_name_can_be_imported() -> None:
    missing = [name for name in uf.__all__ if not hasattr(uf, name)]
    assert missing == []
    assert set(uf.__all__) <= set(dir(uf))


def test_importing_the_package_and_planning_load_no_torch() -> None:
    code = (
        "import sys; import unfreeze as uf;"
        "uf.Plan, uf.Phase, uf.Layers, uf.strategies.lp_ft, uf.PlanError, uf.train, uf.load;"
        "print({'torch', 'timm', 'torchvision', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="unfreeze attribute tarin"):
        uf.tarin  # noqa: B018 - the access itself is the test
