"""The OpenAPI document says what the service does: schemathesis looks for an answer that it does not tell of."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from support.services import served
from support.uploads import pictures

from unfreeze.predicting import Predictor
from unfreeze.serving import Limits, open_app

TOKEN = "correct-horse-battery-staple"


@pytest.fixture(scope="module")
def documented(predictor: Predictor) -> Iterator[schemathesis.BaseSchema]:
    schemathesis.openapi.format("binary", pictures())
    with served(open_app(predictor, name="pets", limits=Limits(), token=TOKEN)) as url:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        yield schemathesis.openapi.from_url(f"{url}/openapi.json", headers=headers)


@pytest.mark.slow
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/predict"), ("POST", "/explain"), ("GET", "/model"), ("GET", "/health")]
)
def test_no_request_finds_an_answer_that_the_document_does_not_tell_of(
    documented: schemathesis.BaseSchema, method: str, path: str, mode: GenerationMode
) -> None:
    if mode is GenerationMode.NEGATIVE and method == "GET":
        return  # these take nothing that could be wrong

    @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(case=documented[path][method].as_strategy(generation_mode=mode))
    def check(case: schemathesis.Case) -> None:
        case.call_and_validate(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60)

    check()


def test_the_document_names_the_routes_their_errors_and_the_token(predictor: Predictor) -> None:
    with served(open_app(predictor, name="pets", limits=Limits(), token=TOKEN)) as url:
        document = httpx.get(f"{url}/openapi.json", headers={"Authorization": f"Bearer {TOKEN}"}).json()
    assert set(document["paths"]) == {"/predict", "/explain", "/health", "/model"}
    predict = document["paths"]["/predict"]["post"]
    assert set(predict["responses"]) == {"200", "400", "401", "403", "408", "413", "415", "421", "422", "503", "504"}
    assert predict["security"] == [{"HTTPBearer": []}]
    assert "security" not in document["paths"]["/health"]["get"]
