"""The shop as a newcomer meets it: what is answered at once, what is refused, what can be looked at."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import pytest

from tests.integration.running import SHOP, Program, running

ORDER = {"customer": "ada@example.com", "lines": [{"sku": "TEA-001", "quantity": 2}, {"sku": "CUP-001", "quantity": 1}]}
NO_ORDER = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[Program]:
    with running("run", SHOP, folder=tmp_path_factory.mktemp("shop"), port=free_port()) as program:
        yield program
        assert "Traceback" not in program.output()


@pytest.fixture
def shop(served: Program) -> Iterator[Program]:
    with served.watched():
        yield served


def problem_of(answer: Any, status: int) -> dict[str, Any]:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert {"type", "title"} <= problem.keys()
    return problem


def pointers(problem: dict[str, Any]) -> list[str]:
    assert all(error["message"] for error in problem["errors"])
    return sorted(error["pointer"] for error in problem["errors"])


def test_what_run_shows(shop: Program) -> None:
    shown = shop.output()
    for function in ("list_items", "get_item", "create_order", "get_order", "fulfil_order", "import_prices"):
        assert f"shop.{function}" in shown
    assert re.search(r"shop\.stock_counted +\(events only\) +async +event com\.example\.stock\.counted", shown)
    assert re.search(r"POST /shop/prices/import +async +schedule \* \* \* \* \*", shown)
    assert re.search(rf"^HTTP +{shop.url}/shop$", shown, re.MULTILINE)
    assert re.search(rf"^Swagger UI +{shop.url}/shop/ui$", shown, re.MULTILINE)
    assert re.search(rf"^Control API +{shop.url}/_funcatron$", shown, re.MULTILINE)
    assert re.search(r"^Records +\.funcatron/funcatron\.db$", shown, re.MULTILINE)
    assert (shop.folder / ".funcatron" / "funcatron.db").exists()


def test_get(shop: Program) -> None:
    answer = shop.http.get("/shop/items/CUP-002")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "sku": "CUP-002", "name": "Cup, enamel", "category": "cup", "price": answer.json()["price"], "stock": 500,
    }  # fmt: skip


def test_get_page_by_page(shop: Program) -> None:
    found, after = [], None
    for _ in range(4):
        page = shop.http.get("/shop/items", params={"limit": 2} | ({"after": after} if after else {})).json()
        found += [item["sku"] for item in page["items"]]
        after = page["next"]
    assert after is None
    assert found == ["COF-001", "COF-002", "CUP-001", "CUP-002", "TEA-001", "TEA-002", "TEA-003"]
    cheap = shop.http.get("/shop/items", params={"category": "tea", "maxPrice": 600}).json()
    assert [item["sku"] for item in cheap["items"]] == ["TEA-003"]


def test_post_and_read_again(shop: Program) -> None:
    before = {sku: shop.http.get(f"/shop/items/{sku}").json() for sku in ("TEA-001", "CUP-001")}
    answer = shop.http.post("/shop/orders", json=ORDER)
    assert answer.status_code == 201
    order = answer.json()
    assert answer.headers["location"] == f"/shop/orders/{order['id']}"
    assert order == {
        **ORDER, "id": order["id"], "total": 2 * before["TEA-001"]["price"] + before["CUP-001"]["price"],
        "state": "placed", "tracking": None,
    }  # fmt: skip
    assert shop.http.get(answer.headers["location"]).json() == order
    for sku, quantity in (("TEA-001", 2), ("CUP-001", 1)):
        assert shop.http.get(f"/shop/items/{sku}").json()["stock"] == before[sku]["stock"] - quantity


def test_refused_by_the_handler(shop: Program) -> None:
    problem = problem_of(shop.http.get("/shop/items/TEA-999"), 404)
    assert problem == {
        "type": "about:blank", "title": "Unknown item", "status": 404, "detail": "there is no item TEA-999",
        "sku": "TEA-999",
    }  # fmt: skip
    assert problem_of(shop.http.get(f"/shop/orders/{NO_ORDER}"), 404)["title"] == "Unknown order"

    before = shop.http.get("/shop/items/TEA-002").json()["stock"]
    lines = [{"sku": "TEA-002", "quantity": 1}, {"sku": "TEA-003", "quantity": 1000}, {"sku": "ZZZ-000", "quantity": 1}]
    problem = problem_of(shop.http.post("/shop/orders", json={"customer": "a@example.com", "lines": lines}), 409)
    assert problem["sku"] == "ZZZ-000"
    assert shop.http.get("/shop/items/TEA-002").json()["stock"] == before, "both or neither"


def test_400_names_every_error(shop: Program) -> None:
    bad = {"customer": "ada", "lines": [{"sku": "tea", "quantity": 0}, {"sku": "TEA-001", "gift": True}], "when": 1}
    problem = problem_of(shop.http.post("/shop/orders", json=bad), 400)
    assert problem["title"] == "Invalid input"
    assert pointers(problem) == [
        "/body/customer", "/body/lines/0/quantity", "/body/lines/0/sku", "/body/lines/1/gift",
        "/body/lines/1/quantity", "/body/when",
    ]  # fmt: skip
    said = {error["pointer"]: error["message"] for error in problem["errors"]}
    assert "e-mail" in said["/body/customer"]
    assert "^[A-Z]{3}-[0-9]{3}$" in said["/body/lines/0/sku"]
    assert "required" in said["/body/lines/1/quantity"]

    query = {"limit": 0, "maxPrice": "dear", "category": "milk", "after": "x"}
    problem = problem_of(shop.http.get("/shop/items", params=query), 400)
    assert pointers(problem) == ["/query/after", "/query/category", "/query/limit", "/query/maxPrice"]
    problem = problem_of(shop.http.get("/shop/items/tea-1"), 400)
    assert pointers(problem) == ["/path/sku"]
    problem = problem_of(shop.http.post("/shop/orders/7/fulfilment", json={"carrier": "mule"}), 400)
    assert pointers(problem) == ["/body/carrier", "/path/orderId"], "refused before it is accepted"


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"", "application/json", 400),
        (b'{"customer": ', "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"null", "application/json", 400),
        (b"customer=ada", "application/x-www-form-urlencoded", 415),
        (b"<order/>", "application/xml", 415),
        (b'{"lines": [' + b'{"sku":"TEA-001","quantity":1},' * 600_000 + b"{}]}", "application/json", 413),
    ],
    ids=["none", "torn", "no-utf8", "array", "null", "form", "xml", "huge"],
)
def test_bodies_that_are_none(shop: Program, content: bytes, content_type: str, status: int) -> None:
    problem = problem_of(
        shop.http.post("/shop/orders", content=content, headers={"Content-Type": content_type}), status
    )
    assert problem["detail"]
    assert shop.http.get("/shop/items/TEA-001").status_code == 200


def test_what_is_not_served(shop: Program) -> None:
    assert "/shop/nothing" in problem_of(shop.http.get("/shop/nothing"), 404)["detail"]
    answer = shop.http.delete("/shop/items")
    problem_of(answer, 405)
    allowed = {method.strip() for method in answer.headers["allow"].split(",")}
    assert "GET" in allowed
    assert allowed <= {"GET", "HEAD"}
    assert (shop.http.head("/shop/items").status_code == 200) == ("HEAD" in allowed)
    problem_of(shop.http.get("/shop/stockCounted"), 404)
    problem_of(shop.http.get("/_funcatron/nothing"), 404)
    problem_of(shop.http.get("/_funcatron/executions/nothing"), 404)


def test_functions(shop: Program) -> None:
    functions = {f["name"]: f for f in shop.http.get("/_funcatron/functions").json()["functions"]}
    assert list(functions) == [
        "shop.list_items", "shop.get_item", "shop.create_order", "shop.get_order", "shop.fulfil_order",
        "shop.import_prices", "shop.stock_counted",
    ]  # fmt: skip
    fulfil = functions["shop.fulfil_order"]
    assert (fulfil["method"], fulfil["route"], fulfil["mode"]) == (
        "post", "/shop/orders/{orderId}/fulfilment", "async",
    )  # fmt: skip
    assert (functions["shop.stock_counted"]["route"], functions["shop.list_items"]["triggers"]) == (None, [])
    assert [t["kind"] for t in functions["shop.import_prices"]["triggers"]] == ["schedule"]


def test_metrics_count(shop: Program) -> None:
    def count() -> float:
        answer = shop.http.get("/_funcatron/metrics")
        assert answer.headers["content-type"].startswith("text/plain")
        name = 'funcatron_invocations_total{function="shop.get_item",outcome="succeeded",trigger="http"} '
        return sum(float(line.removeprefix(name)) for line in answer.text.splitlines() if line.startswith(name))

    before = count()
    for _ in range(3):
        shop.http.get("/shop/items/TEA-001")
    assert count() == before + 3


def test_health(shop: Program) -> None:
    for place in ("live", "ready"):
        answer = shop.http.get(f"/_funcatron/health/{place}")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("place", "title", "path"),
    [("/shop", "A small shop", "/orders"), ("/_funcatron", "funcatron control", "/executions")],
)
def test_the_document(shop: Program, place: str, title: str, path: str) -> None:
    answer = shop.http.get(f"{place}/openapi.json")
    assert answer.headers["content-type"].startswith("application/json")
    document = answer.json()
    assert document["info"]["title"] == title
    assert path in document["paths"]
    assert document["servers"] == [{"url": place}]


class References(HTMLParser):
    """Collects what a page links to: scripts, styles, icons."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        name = {"script": "src", "link": "href", "img": "src"}.get(tag)
        self.found += [value for key, value in attrs if key == name and value]


def test_the_first_document_is_at_the_root_too(shop: Program) -> None:
    assert shop.http.get("/openapi.json", follow_redirects=True).json()["info"]["title"] == "A small shop"
    assert shop.http.get("/openapi.yaml", follow_redirects=True).text.startswith("openapi: 3.0.3")


@pytest.mark.parametrize("place", ["/ui", "/shop/ui", "/shop/ui/"])
def test_the_swagger_ui(shop: Program, place: str) -> None:
    page = shop.http.get(place, follow_redirects=True)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    parser = References()
    parser.feed(page.text)
    assert len(parser.found) >= 4
    kinds = {}
    for reference in parser.found:
        asset = shop.http.get(urljoin(str(page.url), reference))
        assert asset.status_code == 200, reference
        assert asset.content, reference
        kinds[reference.rpartition(".")[2]] = asset.headers["content-type"]
    assert "javascript" in kinds["js"]
    assert "css" in kinds["css"]
    (document,) = re.findall(r'url: "([^"]+)"', page.text)
    assert shop.http.get(urljoin(str(page.url), document)).json()["info"]["title"] == "A small shop"
