from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unfreeze.cache import activation_key, row_key
from unfreeze.cache import keys as keys_module
from unfreeze.data.spec import InputSpec

unit = st.floats(0.01, 1)
colours = st.tuples(unit, unit, unit)
specs = st.builds(
    InputSpec,
    size=st.tuples(st.integers(1, 600), st.integers(1, 600)),
    mean=colours,
    std=colours,
    interpolation=st.sampled_from(["bilinear", "bicubic", "nearest"]),
    crop=st.sampled_from(["squash", "center"]),
    crop_pct=unit,
    depth_range=st.none() | st.tuples(st.floats(-1e4, 0), st.floats(1, 1e5)),
)
texts = st.text(max_size=20)
other_fields = st.fixed_dictionaries(
    {
        "augment": st.sampled_from(["none", "light", "standard"]),
        "recipe_version": st.integers(1, 9),
        "seed": st.integers(0, 2**63),
        "weights_sha256": texts,
        "graph": texts,
        "engine": texts,
        "precision": texts,
        "decoder": texts,
    }
)


@settings(deadline=None)
@given(specs, other_fields)
def test_trap_14_equal_fields_give_equal_keys(spec: InputSpec, fields: dict[str, Any]) -> None:
    assert activation_key(spec, **fields) == activation_key(replace(spec), **dict(reversed(fields.items())))


@settings(deadline=None)
@given(specs, other_fields, specs, other_fields, st.data())
def test_trap_14_any_change_of_any_field_changes_the_key(
    spec: InputSpec, fields: dict[str, Any], other_spec: InputSpec, fields_then: dict[str, Any], data: st.DataObject
) -> None:
    before = activation_key(spec, **fields)
    name = data.draw(st.sampled_from([*fields, *InputSpec.__dataclass_fields__]))
    if name in fields:
        changed = fields | {name: fields_then[name]}
        varies = fields["augment"] != "none" or name != "seed"
        same = fields[name] == fields_then[name] or not varies
        assert (activation_key(spec, **changed) == before) == same
    else:
        value = getattr(other_spec, name)
        changed_spec = replace(spec, **{name: value})
        assert (activation_key(changed_spec, **fields) == before) == (getattr(spec, name) == value)


@settings(deadline=None)
@given(other_fields, texts, texts)
def test_trap_14_what_moves_between_two_fields_changes_the_key(fields: dict[str, Any], a: str, b: str) -> None:
    spec = InputSpec(size=(32, 32))
    one = activation_key(spec, **fields | {"engine": a + b, "precision": ""})
    other = activation_key(spec, **fields | {"engine": a, "precision": b})
    assert (one == other) == (b == "")


def test_whole_numbers_and_floats_that_are_equal_give_the_same_key() -> None:
    fields = {"augment": "none", "recipe_version": 1, "seed": 0, "weights_sha256": "", "graph": ""}
    one = InputSpec(size=(8, 8), depth_range=(0, 4095))
    other = InputSpec(size=(8, 8), depth_range=(-0.0, 4095.0))
    keys = {activation_key(spec, engine="", precision="", **fields) for spec in (one, other)}  # type: ignore[arg-type]
    assert len(keys) == 1


def test_a_new_format_changes_every_key(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"augment": "none", "recipe_version": 1, "seed": 0, "weights_sha256": "", "graph": ""}

    def key() -> str:
        return activation_key(InputSpec(size=(8, 8)), engine="", precision="", **fields)  # type: ignore[arg-type]

    before = key()
    monkeypatch.setattr(keys_module, "FORMAT_VERSION", keys_module.FORMAT_VERSION + 1)
    assert key() != before


rows = st.tuples(st.text("0123456789abcdef", min_size=64, max_size=64), st.integers(0, 99), texts)


@settings(deadline=None)
@given(rows, rows)
def test_trap_14_a_varied_row_is_named_by_content_view_and_file(
    a: tuple[str, int, str], b: tuple[str, int, str]
) -> None:
    one, other = (row_key(sha256, augment="light", view=view, file=file) for sha256, view, file in (a, b))
    assert (one == other) == (a == b)


@settings(deadline=None)
@given(rows, rows)
def test_trap_14_an_evaluation_row_is_named_by_its_content_alone(
    a: tuple[str, int, str], b: tuple[str, int, str]
) -> None:
    one, other = (row_key(sha256, augment="none", view=view, file=file) for sha256, view, file in (a, b))
    assert (one == other) == (a[0] == b[0])
    assert row_key(a[0], augment="light", view=a[1], file=a[2]) != one
