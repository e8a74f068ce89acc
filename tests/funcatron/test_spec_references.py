"""Documents of several files become one tree; mistakes keep their own file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from funcatron.errors import SpecError
from funcatron.spec.document import Document, load

HEAD = "openapi: 3.0.3\ninfo: {title: T, version: '1'}\n"


def write(folder: Path, **files: str) -> Path:
    """Write the files (``a__b_yaml`` is ``a/b.yaml``) and return the path of ``api.yaml``."""
    for name, text in files.items():
        file = folder / (name.replace("__", "/").removesuffix("_yaml") + ".yaml")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text((HEAD if name == "api_yaml" else "") + dedent(text))
    return folder / "api.yaml"


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for item in node:
            yield from references(item)


def assert_self_contained(document: Document) -> None:
    for ref in references(document.content):
        assert ref.startswith("#/")
        document.resolve(ref)


def mistakes(path: Path) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load(path)
    return [str(mistake).replace(f"{path.parent}/", "") for mistake in caught.value.mistakes]


def test_every_kind_of_reference_across_files(tmp_path: Path) -> None:
    api = write(
        tmp_path,
        api_yaml="""
            paths:
              /pets/{id}: {$ref: "paths/pets.yaml#/~1pets~1%7Bid%7D"}
              /whole: {$ref: paths/whole.yaml}
            components:
              schemas:
                Pet: {type: object, properties: {mine: {type: boolean}}}
        """,
        paths__pets_yaml="""
            /pets/{id}:
              parameters: [{$ref: "../parts.yaml#/parameters/id"}]
              put:
                requestBody: {$ref: "../parts.yaml#/bodies/Pet"}
                responses:
                  "200": {$ref: "../parts.yaml#/responses/Pet"}
                  default: {$ref: "#/~1pets~1{id}/put/responses/200"}
                callbacks:
                  done: {$ref: "../parts.yaml#/callbacks/done"}
        """,
        paths__whole_yaml="""
            get:
              responses:
                "200":
                  description: ok
                  content: {application/json: {schema: {$ref: ../models/pet.yaml}}}
        """,
        parts_yaml="""
            parameters: {id: {name: id, in: path, required: true, schema: {$ref: models/id.yaml}}}
            bodies: {Pet: {content: {application/json: {schema: {$ref: models/pet.yaml}}}}}
            responses:
              Pet:
                description: ok
                headers: {X-Id: {$ref: "#/headers/Id"}}
                content:
                  application/json: {schema: {$ref: models/pet.yaml#}, examples: {one: {$ref: "#/examples/one"}}}
                links: {self: {$ref: "#/links/self"}}
            headers: {Id: {schema: {$ref: models/id.yaml}}}
            examples: {one: {value: {$ref: not a reference}}}
            links: {self: {operationId: x}}
            callbacks: {done: {"{$request.body#/url}": {post: {responses: {"200": {description: ok}}}}}}
        """,
        models__pet_yaml="""
            type: object
            properties:
              id: {$ref: id.yaml}
              friend: {$ref: "#"}
              owner: {$ref: "owner.yaml#/definitions/Owner"}
              root: {$ref: "../api.yaml#/components/schemas/Pet"}
        """,
        models__owner_yaml="definitions: {Owner: {type: object, properties: {pets: {items: {$ref: pet.yaml}}}}}",
        models__id_yaml="{type: integer, minimum: 1}",
    )
    document = load(api)
    written = {ref for ref in references(document.content) if ref != "not a reference"}
    assert all(ref.startswith("#/") for ref in written)
    for ref in written:
        document.resolve(ref)
    assert {file.name for file in document.files} == {
        "api.yaml", "pets.yaml", "whole.yaml", "parts.yaml", "pet.yaml", "owner.yaml", "id.yaml",
    }  # fmt: skip
    assert set(document.content["components"]["schemas"]) == {"Pet", "pet", "Owner", "id"}
    pet = document.content["components"]["schemas"]["pet"]["properties"]
    assert pet["friend"] == {"$ref": "#/components/schemas/pet"}
    assert pet["root"] == {"$ref": "#/components/schemas/Pet"}
    put, get = document.operations
    assert (put.route, get.route) == ("/pets/{id}", "/whole")
    assert put.parameters[0].schema == {"$ref": "#/components/schemas/id"}
    assert put.body is not None
    assert put.body.content["application/json"].schema == {"$ref": "#/components/schemas/pet"}
    assert put.replies["default"] == put.replies["200"]
    assert put.replies["200"].headers == {"x-id": {"$ref": "#/components/schemas/id"}}
    assert put.callbacks[0].expression == "{$request.body#/url}"
    assert document.content["components"]["examples"]["one"]["value"] == {"$ref": "not a reference"}


def test_equal_names_of_different_files_do_not_meet(tmp_path: Path) -> None:
    api = write(
        tmp_path,
        api_yaml="""
            paths: {}
            components:
              schemas: {Pet: {$ref: "a.yaml#/Pet"}, Both: {allOf: [{$ref: "a.yaml#/Pet"}, {$ref: "b.yaml#/Pet"}]}}
        """,
        a_yaml="Pet: {description: a}",
        b_yaml="Pet: {description: b}",
    )
    document = load(api)
    assert_self_contained(document)
    both = document.resolve("#/components/schemas/Both")["allOf"]
    assert [document.resolve(part["$ref"])["description"] for part in both] == ["a", "b"]
    assert document.resolve("#/components/schemas/Pet")["description"] == "a"
    assert len(document.content["components"]["schemas"]) == 4


def test_cycles_across_files_and_chains(tmp_path: Path) -> None:
    api = write(
        tmp_path,
        api_yaml="paths: {}\ncomponents: {schemas: {A: {$ref: 'a.yaml#/A'}}}",
        a_yaml="A: {$ref: 'b.yaml#/B'}",
        b_yaml="B: {$ref: '#/C'}\nC: {type: array, items: {$ref: 'a.yaml#/A'}}",
    )
    document = load(api)
    assert_self_contained(document)
    schema = document.resolve("#/components/schemas/A")
    assert schema["type"] == "array"
    assert document.resolve(schema["items"]["$ref"]) is schema


def test_2_0_keeps_what_it_takes_in_its_own_places(tmp_path: Path) -> None:
    api = tmp_path / "api.yaml"
    api.write_text(
        dedent("""
            swagger: "2.0"
            info: {title: T, version: "1"}
            paths:
              /a: {$ref: "other.yaml#/item"}
        """)
    )
    write(
        tmp_path,
        other_yaml="""
            item:
              get:
                parameters: [{$ref: "#/limit"}]
                responses: {"200": {$ref: "#/ok"}}
            limit: {name: limit, in: query, type: integer}
            ok: {description: ok, schema: {$ref: "#/Pet"}}
            Pet: {type: object, properties: {pet: {$ref: "#/Pet"}}}
        """,
    )
    document = load(api)
    assert_self_contained(document)
    assert list(document.content["definitions"]) == ["Pet"]
    assert list(document.content["parameters"]) == ["limit"]
    assert list(document.content["responses"]) == ["ok"]
    assert document.operations[0].parameters[0].name == "limit"


def test_siblings_of_a_path_reference_win_those_of_others_are_ignored(tmp_path: Path) -> None:
    api = write(
        tmp_path,
        api_yaml="""
            paths:
              /a:
                $ref: item.yaml
                get: {operationId: mine, responses: {"200": {$ref: "#/components/responses/Ok", description: ignored}}}
            components: {responses: {Ok: {description: ok}}}
        """,
        item_yaml="""
            get: {operationId: theirs, responses: {"200": {description: ok}}}
            put: {operationId: brought, responses: {"200": {description: ok}}}
        """,
    )
    assert sorted(operation.name for operation in load(api).operations) == ["brought", "mine"]


def test_properties_named_ref_and_examples_are_no_references(tmp_path: Path) -> None:
    api = write(
        tmp_path,
        api_yaml="""
            paths: {}
            components:
              schemas:
                Link:
                  type: object
                  required: [$ref]
                  properties: {$ref: {type: string}}
                  example: {$ref: nowhere.yaml}
                  default: {$ref: nowhere.yaml}
                  enum: [{$ref: nowhere.yaml}]
            x-notes: {$ref: nowhere.yaml}
        """,
    )
    assert load(api).content["components"]["schemas"]["Link"]["properties"] == {"$ref": {"type": "string"}}


def test_odd_names_and_pointers(tmp_path: Path) -> None:
    api = write(
        tmp_path,
        api_yaml="""
            paths:
              /é/{a~b}:
                get:
                  parameters: [{name: a~b, in: path, required: true, schema: {type: string}}]
                  responses: {"200": {description: ok, content: {application/json: {schema: {type: integer}}}}}
            components:
              schemas:
                ByPath: {$ref: "#/paths/~1%C3%A9~1%7Ba~0b%7D/get/responses/200/content/application~1json/schema"}
                Raw: {$ref: "#/paths/~1é~1{a~0b}/get/responses/200/content/application~1json/schema"}
                Other: {$ref: "o%20t.yaml#/a%20b/List%3CX%3E"}
                Index: {$ref: "o%20t.yaml#/list/1"}
        """,
    )
    (tmp_path / "o t.yaml").write_text("a b: {List<X>: {type: number}}\nlist: [1, {type: boolean}]")
    document = load(api)
    assert_self_contained(document)
    types = {
        name: document.resolve(f"#/components/schemas/{name}")["type"] for name in ("ByPath", "Raw", "Other", "Index")
    }
    assert types == {"ByPath": "integer", "Raw": "integer", "Other": "number", "Index": "boolean"}


def test_mistakes_are_told_in_their_own_file(tmp_path: Path) -> None:
    api = write(
        tmp_path,
        api_yaml="""
            paths:
              /a: {$ref: "sub/item.yaml"}
            components:
              schemas:
                A: {$ref: "none.yaml#/A"}
                B: {$ref: "sub/models.yaml#/Nobody"}
                C: {$ref: "#/components/schemas/Nobody"}
                D: {$ref: "ftp://example.com/x"}
                E: {$ref: "#nowhere"}
                F: {$ref: "http://[x"}
                G: {$ref: "broken.yaml"}
              parameters:
                P: {$ref: "#/components/parameters/Q"}
                Q: {$ref: "#/components/parameters/P"}
        """,
        sub__item_yaml="""
            get:
              responses:
                "200":
                  description: ok
                  content: {application/json: {schema: {$ref: "models.yaml#/Pet"}}}
        """,
        sub__models_yaml="""
            Pet:
              type: object
              properties:
                a: {typ: string}
                b: {$ref: "../api.yaml#/components/schemas/None"}
        """,
        broken_yaml="a: 1\na: 2",
    )
    assert mistakes(api) == [
        "api.yaml:8 #/components/schemas/A/$ref: none.yaml cannot be read: No such file or directory",
        "api.yaml:9 #/components/schemas/B/$ref: 'sub/models.yaml#/Nobody' leads to nothing in sub/models.yaml",
        "api.yaml:10 #/components/schemas/C/$ref: '#/components/schemas/Nobody' leads to nothing",
        "api.yaml:11 #/components/schemas/D/$ref: 'ftp://example.com/x' is neither a file nor an http(s) URL",
        "api.yaml:12 #/components/schemas/E/$ref: '#nowhere' has no valid JSON Pointer after the #",
        "api.yaml:13 #/components/schemas/F/$ref: 'http://[x' is no URL: Invalid IPv6 URL",
        "api.yaml:16 #/components/parameters/P/$ref: '#/components/parameters/Q' leads to itself",
        "api.yaml:17 #/components/parameters/Q/$ref: '#/components/parameters/P' leads to itself",
        "broken.yaml:2 #/a: the key 'a' stands twice",
        "sub/models.yaml:5 #/Pet/properties/a/typ: is not a known property; did you mean 'type'?",
        "sub/models.yaml:6 #/Pet/properties/b/$ref: '../api.yaml#/components/schemas/None' leads to nothing",
    ]


def test_a_reference_must_lead_to_what_is_wanted_there(tmp_path: Path) -> None:
    api = write(
        tmp_path,
        api_yaml="""
            paths:
              /a:
                get:
                  parameters: [{$ref: "#/x-mine/good"}, {$ref: "#/x-mine/bad"}]
                  responses: {"200": {$ref: "#/info"}}
            x-mine:
              good: {name: a, in: query, schema: {$ref: "#/x-mine/model"}}
              bad: {name: b, in: query}
              model: {type: integer}
        """,
    )
    assert mistakes(api) == [
        "api.yaml:2 #/info/description: is required",
        "api.yaml:2 #/info/title: is not a known property",
        "api.yaml:2 #/info/version: is not a known property",
        "api.yaml:11 #/x-mine/bad: fits no alternative: schema is required | content is required",
    ]


def test_references_where_the_specification_knows_none(tmp_path: Path) -> None:
    api = write(
        tmp_path,
        api_yaml="""
            paths: {/a: {get: {$ref: "x.yaml"}}}
            components: {$ref: "x.yaml"}
        """,
    )
    assert [mistake.partition(": ")[0] for mistake in mistakes(api)] == [
        "api.yaml:4 #/paths/~1a/get/$ref",
        "api.yaml:4 #/paths/~1a/get/responses",
        "api.yaml:5 #/components/$ref",
    ]


def test_a_malformed_home_is_a_mistake(tmp_path: Path) -> None:
    for text, place in (("components: []", "components"), ("components: {schemas: 5}", "components/schemas")):
        api = write(tmp_path, api_yaml=f"paths: {{}}\n{text}")
        assert mistakes(api) == [f"api.yaml:4 #/{place}: must be an object"]


def test_a_dict_refers_to_files_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "m.yaml").write_text("A: {typ: x}")
    monkeypatch.chdir(tmp_path)
    given = {
        "openapi": "3.0.0",
        "info": {"title": "T", "version": "1"},
        "paths": {},
        "components": {"schemas": {"A": {"$ref": "sub/m.yaml#/A"}}},
    }
    with pytest.raises(SpecError) as caught:
        load(given)
    assert str(caught.value.mistakes[0]) == "sub/m.yaml:1 #/A/typ: is not a known property; did you mean 'type'?"
    assert given["components"] == {"schemas": {"A": {"$ref": "sub/m.yaml#/A"}}}
