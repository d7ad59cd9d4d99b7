"""The OpenAPI document is valid, says what the routes do, and what was once accepted still is.

A golden body is never changed: somebody sends it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import TestClient, TestServer
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from services.console.api.problems import CODES
from services.console.ports import Hit, Line
from services.console.tokens import Role
from shared.events import CommandKind, Refusal
from tests.unit.console.rig import NOW, Answer, Site, case, play

GOLDEN = Path(__file__).parent / "golden"
FILES = sorted(path.stem for path in GOLDEN.glob("*.json"))
CASE = case()


@cache
def document() -> Any:
    """Return the document as the API serves it, to everybody."""

    async def main() -> Any:
        site = Site()
        async with TestClient(TestServer(site.app)) as site.client:
            answer = await site.get("/openapi.json", role=None)
            assert answer.status == 200
            return answer.body

    return asyncio.run(main())


def operations() -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            yield path, method.upper(), operation


def named(name: str) -> Mapping[str, Any]:
    [found] = [one for _, _, one in operations() if one["operationId"] == name]
    return found


def check(schema: Mapping[str, Any], value: object) -> None:
    """Validate ``value``; references are into the document."""
    whole = {**schema, "components": document()["components"]}
    OAS31Validator.check_schema(whole)
    OAS31Validator(whole).validate(value)


def resolved(response: Mapping[str, Any]) -> Any:
    name = response.get("$ref")
    return response if name is None else document()["components"]["responses"][name.split("/")[-1]]


def test_the_document_is_openapi() -> None:
    OpenAPIV31SpecValidator(document()).validate()
    assert document()["openapi"] == "3.1.0"


def test_every_route_is_in_the_document_and_the_other_way_round() -> None:
    async def main() -> set[tuple[str, str]]:
        return {
            (route.method, str(route.resource and route.resource.canonical))
            for route in Site().app.router.routes()
            if route.method != "HEAD"
        }

    [server] = document()["servers"]
    described = {(method, server["url"] + path) for path, method, _ in operations()}
    assert asyncio.run(main()) == described


def test_every_operation_names_its_role_and_its_errors() -> None:
    for path, _, operation in operations():
        if path == "/openapi.json":
            assert operation["security"] == []
            continue
        assert operation["security"] == [{"token": []}]
        assert operation["x-role"] in {str(role) for role in Role}
        assert operation["x-role"] in operation["description"]
        statuses = set(operation["responses"])
        assert {"401", "429", "500", "503"} <= statuses
        if "{case_id}" in path:
            assert "404" in statuses
        if operation["x-role"] != "viewer":
            assert "403" in statuses


def test_every_operation_that_takes_a_body_has_an_example_that_is_one() -> None:
    taking = [one for _, _, one in operations() if "requestBody" in one]
    assert len(taking) == len(FILES)
    for operation in taking:
        content = operation["requestBody"]["content"]["application/json"]
        check(content["schema"], content["example"])


def test_every_problem_is_exemplified_with_its_status() -> None:
    seen = set()
    for _, _, operation in operations():
        for status, response in operation["responses"].items():
            content = resolved(response)["content"]
            if status.startswith("2"):
                continue
            problem = content["application/problem+json"]
            for code, example in problem["examples"].items():
                check(problem["schema"], example["value"])
                assert example["value"]["code"] == code
                assert str(CODES[code][0]) == status
                seen.add(code)
    by_aiohttp = {"unknown_path", "wrong_method"}
    assert seen == set(CODES) - by_aiohttp
    assert {str(refusal) for refusal in Refusal} <= seen


# ---- what was once accepted


def test_every_action_has_golden_bodies() -> None:
    taking = {one["operationId"] for _, _, one in operations() if "requestBody" in one}
    assert taking == set(FILES)
    internal = {"absorb", "absorbed", "forward", "forget", "audit"}
    assert taking == {str(kind) for kind in CommandKind} - internal | {"erase"}


@pytest.mark.parametrize("name", FILES)
def test_golden_bodies_are_valid_and_taken(name: str) -> None:
    bodies = json.loads((GOLDEN / f"{name}.json").read_text("utf-8"))
    [path] = [path for path, _, one in operations() if one["operationId"] == name]
    schema = named(name)["requestBody"]["content"]["application/json"]["schema"]

    async def scenario(site: Site) -> None:
        where = path.format(case_id=CASE.case_id, record_key=CASE.record_key, number=1)
        for body in bodies.values():
            check(schema, body)
            site.put(msgspec.structs.replace(CASE, case_seq=12))
            answer = await site.post(where, body, "admin")
            assert answer.status == (202 if name == "erase" else 200), answer.body

    play(scenario)


# ---- what is answered


def check_answer(name: str, answer: Answer) -> None:
    """Validate an answer against what the document says of its operation."""
    response = resolved(named(name)["responses"][str(answer.status)])
    media_type = answer.headers["Content-Type"].partition(";")[0]
    check(response["content"][media_type]["schema"], answer.body)
    for header in response.get("headers", {}):
        assert answer.headers[header]


def test_answers_are_as_the_document_says() -> None:
    at = f"/cases/{CASE.case_id}"

    async def scenario(site: Site) -> None:
        site.record.lines = [
            Line(NOW, NOW, 1, "customer", "case opened", "feedback", (("a", "b"),))
        ]
        site.record.hits = [Hit("note", None, "f", "high", "email", NOW, None, None, "x")]
        check_answer("list_cases", await site.get("/cases"))
        check_answer("list_cases", await site.get("/cases?limit=0"))
        check_answer("list_cases", await site.get("/cases", role=None))
        check_answer("get_case", await site.get(at))
        check_answer("get_case", await site.get("/cases/none"))
        check_answer("get_timeline", await site.get(at + "/timeline"))
        check_answer("search", await site.get("/search?q=x"))
        check_answer("get_policy", await site.get("/policy"))
        key = f"/customers/{CASE.record_key}"
        check_answer("get_erasure", await site.get(key + "/erasure", "admin"))
        check_answer("erase", await site.post(key + "/erase", {"reason": "x"}, "admin"))
        check_answer("erase", await site.post(key + "/erase", {}, "agent"))
        check_answer("investigate", await site.post(at + "/investigate"))
        check_answer("investigate", await site.post(at + "/investigate", If_Match='"1"'))
        site.worker.takes = False
        pending = await site.post(at + "/investigate")
        check_answer("investigate", pending)
        assert pending.status == 202
        where = pending.headers["Location"].removeprefix("/api/v1")
        check_answer("get_command", await site.get(where))

    play(scenario, [CASE], deadline_s=0.5)


@pytest.mark.parametrize("refusal", Refusal)
def test_every_refusal_is_documented_for_every_action(refusal: Refusal) -> None:
    async def scenario(site: Site) -> None:
        site.worker.refuses = (refusal, "")
        for name in ("acknowledge", "resolve", "merge"):
            [path] = [path for path, _, one in operations() if one["operationId"] == name]
            example = named(name)["requestBody"]["content"]["application/json"]["example"]
            answer = await site.post(path.format(case_id=CASE.case_id), example, "lead")
            check_answer(name, answer)

    play(scenario, [CASE])
