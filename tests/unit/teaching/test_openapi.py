"""What the OpenAPI document of a lesson tells is what its service does: schemathesis looks for anything else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance
from support.services import served
from support.uploads import pictures

from unfreeze.records import TrainOptions
from unfreeze.serving import Limits
from unfreeze.teaching import Lesson
from unfreeze.teaching.application import create_app

TOKEN = "correct-horse-battery-staple"
# Which classes and pictures there are, and what a class may be called, no schema tells: a valid request may be refused.
# And as everywhere, parameters that nobody asks for are left alone.
NOT_TOLD = [positive_data_acceptance, negative_data_rejection]
TAKE_NOTHING = ("/health", "/teach/state", "/teach/rescan", "/teach/save", "/teach/report")
ROUTES = (
    ("GET", "/health"),
    ("GET", "/teach/state"),
    ("POST", "/teach/classes"),
    ("PATCH", "/teach/classes"),
    ("DELETE", "/teach/classes"),
    ("GET", "/teach/pictures"),
    ("POST", "/teach/pictures"),
    ("DELETE", "/teach/pictures"),
    ("GET", "/teach/thumbnail"),
    ("POST", "/teach/predict"),
    ("POST", "/teach/rescan"),
    ("POST", "/teach/save"),
    ("GET", "/teach/report"),
)


@pytest.fixture(scope="module")
def documented(tmp_path_factory: pytest.TempPathFactory) -> Iterator[schemathesis.BaseSchema]:
    root: Path = tmp_path_factory.mktemp("lesson")
    schemathesis.openapi.format("binary", pictures())
    options = TrainOptions(model="test_resnet", pretrained=False, size=32, engine="eager", cache=False)
    lesson = Lesson(root, options, given=frozenset({"model", "pretrained", "size", "engine", "cache"}))
    with served(create_app(lesson, limits=Limits(), token=TOKEN)) as url:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        yield schemathesis.openapi.from_url(f"{url}/openapi.json", headers=headers)


@pytest.mark.slow
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_no_request_finds_an_answer_that_the_document_does_not_tell_of(
    documented: schemathesis.BaseSchema, method: str, path: str, mode: GenerationMode
) -> None:
    if mode is GenerationMode.NEGATIVE and path in TAKE_NOTHING:
        return  # there is nothing that could be wrong

    @settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=documented[path][method].as_strategy(generation_mode=mode))
    def check(case: schemathesis.Case) -> None:
        case.call_and_validate(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60, excluded_checks=NOT_TOLD)

    check()


def test_these_are_all_routes(documented: schemathesis.BaseSchema) -> None:
    found = {(method.upper(), path) for path, methods in documented.raw_schema["paths"].items() for method in methods}
    assert found == set(ROUTES)
