"""The shop answered later: accepted, polled, waited for, cancelled, listed, redriven, called back, told by events."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.integration.running import SHOP, Program, running, until

SECRET = base64.b64encode(b"a secret of thirty-two bytes, no").decode()
NO_ORDER = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[Program]:
    settings = {"FUNCATRON_CALLBACK_ALLOW_PRIVATE": "true", "FUNCATRON_CALLBACK_SECRET": f"whsec_{SECRET}"}
    folder = tmp_path_factory.mktemp("shop")
    with running("run", SHOP, folder=folder, port=free_port(), extra=settings) as program:
        yield program
        assert "Traceback" not in program.output()


@pytest.fixture
def shop(served: Program) -> Iterator[Program]:
    with served.watched():
        yield served


def place_order(shop: Program, lines: int = 1) -> str:
    lines_of_order = [{"sku": "TEA-001", "quantity": 1}] * lines
    answer = shop.http.post("/shop/orders", json={"customer": "ada@example.com", "lines": lines_of_order})
    assert answer.status_code == 201, answer.text
    identity: str = answer.json()["id"]
    return identity


def fulfil(shop: Program, order: str, headers: dict[str, str] | None = None, **body: Any) -> Any:
    return shop.http.post(f"/shop/orders/{order}/fulfilment", json={"carrier": "bike", **body}, headers=headers)


def test_accepted_polled_and_answered(shop: Program) -> None:
    order = place_order(shop, lines=2)
    accepted = fulfil(shop, order)
    assert accepted.status_code == 202
    location = accepted.headers["location"]
    assert int(accepted.headers["retry-after"]) >= 0
    record = accepted.json()
    assert location == record["links"]["self"] == f"/_funcatron/executions/{record['id']}"
    assert (record["function"], record["trigger"], record["state"]) == ("shop.fulfil_order", "async", "queued")
    assert record["input"] == {"order_id": order, "body": {"carrier": "bike"}}

    waiting = shop.http.get(record["links"]["result"])
    assert waiting.status_code == 202
    assert waiting.headers["x-funcatron-state"] in ("queued", "running")
    running_record = until(
        lambda: (found := shop.http.get(location).json())["progress"] and found, "the progress of the execution"
    )
    assert running_record["state"] == "running"
    assert running_record["progress"]["total"] == 2
    assert running_record["worker"]

    ended = shop.ended(record["id"])
    shipment = {"order": order, "carrier": "bike", "tracking": f"BIKE-{order[-8:].upper()}"}
    assert (ended["state"], ended["attempt"], ended["result"]) == ("succeeded", 1, shipment)
    assert (ended["problem"], ended["failure"]) == (None, None)
    assert ended["duration"] >= 1.0
    assert ended["created_at"] <= ended["started_at"] < ended["ended_at"]
    result = shop.http.get(record["links"]["result"])
    assert (result.status_code, result.json()) == (200, shipment)
    assert result.headers["x-funcatron-state"] == "succeeded"
    logs = shop.http.get(record["links"]["logs"]).json()["logs"]
    assert [line["message"] for line in logs] == ["picking 1 x TEA-001"] * 2
    assert {(line["level"].lower(), line["attempt"]) for line in logs} == {("info", 1)}
    assert shop.http.get(f"/shop/orders/{order}").json()["state"] == "shipped"


def test_wait_for_the_answer(shop: Program) -> None:
    order = place_order(shop)
    answer = fulfil(shop, order, headers={"Prefer": "wait=30"})
    assert answer.status_code == 200
    assert answer.json()["order"] == order
    assert "wait=30" in answer.headers["preference-applied"]

    began = time.monotonic()
    answer = fulfil(shop, place_order(shop, lines=4), headers={"Prefer": "wait=1"})
    assert answer.status_code == 202, "it takes longer than was waited for"
    assert time.monotonic() - began >= 1.0
    assert shop.http.post(answer.json()["links"]["cancel"]).status_code == 200

    answer = shop.http.get("/_funcatron/executions/" + fulfil(shop, order).json()["id"] + "/result",
                           headers={"Prefer": "wait=30"})  # fmt: skip
    assert (answer.status_code, answer.json()["order"]) == (200, order)


def test_a_sync_function_later(shop: Program) -> None:
    answer = shop.http.get("/shop/items/TEA-001", headers={"Prefer": "respond-async"})
    assert answer.status_code == 202
    assert answer.headers["preference-applied"] == "respond-async"
    assert shop.ended(answer.json()["id"])["result"]["sku"] == "TEA-001"

    body = {"customer": "ada@example.com", "lines": [{"sku": "TEA-001", "quantity": 1}]}
    answer = shop.http.post("/shop/orders", json=body, headers={"Prefer": "respond-async"})
    identity = answer.json()["id"]
    shop.ended(identity)
    result = shop.http.get(f"/_funcatron/executions/{identity}/result")
    assert result.status_code == 201, "the handler's own status"
    assert result.headers["location"] == f"/shop/orders/{identity}", "and headers"

    answer = shop.http.get("/shop/items/TEA-999", headers={"Prefer": "respond-async, wait=30"})
    assert (answer.status_code, answer.json()["title"]) == (404, "Unknown item")
    assert answer.headers["content-type"] == "application/problem+json"
    answer = shop.http.get("/shop/items/tea", headers={"Prefer": "respond-async"})
    assert answer.status_code == 400, "what is invalid is refused at once"


def test_the_same_key_is_the_same_call(shop: Program) -> None:
    order, key = place_order(shop), str(uuid.uuid4())
    first = fulfil(shop, order, headers={"Idempotency-Key": key})
    again = fulfil(shop, order, headers={"Idempotency-Key": key})
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]
    other = fulfil(shop, order, headers={"Idempotency-Key": key}, carrier="drone")
    assert (other.status_code, other.headers["content-type"]) == (422, "application/problem+json")
    shop.ended(first.json()["id"])


def test_cancel(shop: Program) -> None:
    first = fulfil(shop, place_order(shop, lines=20)).json()
    until(lambda: shop.execution(first["id"])["progress"], "the first to run")
    second = fulfil(shop, place_order(shop)).json()
    for record in (second, first):  # one that waits behind the other, one that runs
        answer = shop.http.post(record["links"]["cancel"])
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
        assert answer.json()["ended_at"]
        gone = shop.http.get(record["links"]["result"])
        assert (gone.status_code, gone.headers["x-funcatron-state"]) == (409, "cancelled")
        again = shop.http.post(record["links"]["cancel"])
        assert again.status_code == 409
        assert "cancelled" in again.json()["detail"]
    third = fulfil(shop, place_order(shop), headers={"Prefer": "wait=60"})
    assert third.status_code == 200, "the worker goes on"
    picked = shop.http.get(first["links"]["logs"]).json()["logs"]
    assert 1 <= len(picked) < 20, "and did not first do what nobody wants any more"
    assert shop.execution(second["id"])["attempt"] == 0
    assert {shop.execution(record["id"])["state"] for record in (first, second)} == {"cancelled"}


def test_list_by_filter_and_marker(shop: Program) -> None:
    made = [shop.http.post("/shop/prices/import").json() for _ in range(7)]
    ids = [record["id"] for record in made]
    for identity in ids:
        shop.ended(identity)
    query = {"function": "shop.import_prices", "state": "succeeded", "trigger": "async", "limit": 3}
    found: list[str] = []
    marker, pages = None, 0
    while pages == 0 or marker:
        page = shop.http.get("/_funcatron/executions", params=query | ({"marker": marker} if marker else {})).json()
        assert len(page["executions"]) <= 3
        found += [record["id"] for record in page["executions"]]
        marker, pages = page["next"], pages + 1
    assert found[:7] == ids[::-1], "the newest first, none twice, none left out"
    assert len(found) == len(set(found))

    def listed(**more: Any) -> set[str]:
        return {record["id"] for record in shop.executions(**more)} & set(ids)

    third = made[2]["created_at"]
    assert listed(since=third) == set(ids[2:])
    assert listed(until=third) == set(ids[:2])
    assert listed(function="shop.import_prices") == set(ids)
    assert listed(function="shop.get_item") == listed(state="failed") == listed(trigger="schedule") == set()
    bad = shop.http.get("/_funcatron/executions", params={"state": "lost", "limit": 0, "since": "now", "marker": ""})
    assert bad.status_code == 400
    assert {e["pointer"] for e in bad.json()["errors"]} == {
        "/query/state", "/query/limit", "/query/since", "/query/marker",
    }  # fmt: skip


def test_failed_and_redriven(shop: Program) -> None:
    sku = "COF-002"
    body = {"customer": "ada@example.com", "lines": [{"sku": sku, "quantity": 700}]}
    assert shop.http.post("/shop/orders", json=body).status_code == 201
    answer = shop.http.post("/shop/orders", json=body, headers={"Prefer": "respond-async"})
    failed = shop.ended(answer.json()["id"])
    assert (failed["state"], failed["failure"], failed["attempt"]) == ("failed", "handler", 1), "4xx is final"
    assert (failed["problem"]["status"], failed["problem"]["title"]) == (409, "Out of stock")
    assert failed["input"] == {"body": body}
    assert failed["id"] in [record["id"] for record in shop.executions(state="failed")]
    result = shop.http.get(failed["links"]["result"])
    assert (result.status_code, result.json()["title"]) == (409, "Out of stock")

    count_stock(shop, sku, 1000)
    redriven = shop.http.post(f"{failed['links']['self']}/redrive")
    assert (redriven.status_code, redriven.json()["state"]) == (202, "queued")
    ended = shop.ended(failed["id"])
    assert (ended["state"], ended["attempt"], ended["problem"]) == ("succeeded", 1, None)
    assert ended["result"]["total"] == 700 * shop.http.get(f"/shop/items/{sku}").json()["price"]
    assert shop.http.post(f"{failed['links']['self']}/redrive").status_code == 409


def count_stock(shop: Program, sku: str, stock: int, **attributes: str) -> Any:
    event = {
        "specversion": "1.0", "id": str(uuid.uuid4()), "source": "/warehouse", "type": "com.example.stock.counted",
        "datacontenttype": "application/json", "data": {"sku": sku, "stock": stock}, **attributes,
    }  # fmt: skip
    answer = shop.http.post("/_funcatron/events", content=json.dumps(event),
                            headers={"Content-Type": "application/cloudevents+json"})  # fmt: skip
    assert answer.status_code == 202, answer.text
    for record in answer.json()["executions"]:
        shop.ended(record["id"])
    return answer.json()["executions"]


def test_an_event_once(shop: Program) -> None:
    identity = str(uuid.uuid4())
    (first,) = count_stock(shop, "TEA-003", 36, id=identity)
    assert (first["trigger"], first["event_source"], first["event_id"]) == ("event", "/warehouse", identity)
    assert shop.http.get("/shop/items/TEA-003").json()["stock"] == 36
    (again,) = count_stock(shop, "TEA-003", 77, id=identity)
    assert again["id"] == first["id"]
    assert shop.http.get("/shop/items/TEA-003").json()["stock"] == 36
    assert count_stock(shop, "TEA-003", 78, source="/elsewhere") == []
    assert count_stock(shop, "TEA-003", 78, type="com.example.stock.lost") == []
    (refused,) = count_stock(shop, "TEA-003", -1)
    ended = shop.execution(refused["id"])
    assert (ended["state"], ended["failure"]) == ("failed", "invalid")
    assert [error["pointer"] for error in ended["problem"]["errors"]] == ["/body/stock"]


def test_call_by_the_control_api(shop: Program) -> None:
    call = {"function": "shop.get_item", "input": {"sku": "TEA-001"}}
    answer = shop.http.post("/_funcatron/executions", json=call)
    assert answer.status_code == 202
    assert shop.ended(answer.json()["id"])["result"]["sku"] == "TEA-001"
    answer = shop.http.post("/_funcatron/executions", json={**call, "sync": True})
    assert (answer.status_code, answer.json()["state"]) == (200, "succeeded")
    answer = shop.http.post("/_funcatron/executions", json={**call, "function": "shop.nothing"})
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/body/function")
    answer = shop.http.post("/_funcatron/executions", json={"function": "shop.get_item", "input": {"sku": "x"}})
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["pointer"].endswith("/sku")


@dataclass
class Receiver:
    """A server of the caller's own: keeps what is posted to it; the first posts are answered with ``answers``."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    posts: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def receiver(free_port: Callable[[], int]) -> Iterator[Receiver]:
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.posts.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(made.answers.pop(0) if made.answers else 204)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def test_called_back(shop: Program, receiver: Receiver) -> None:
    order = place_order(shop)
    receiver.answers = [503]  # it is tried again
    identity = fulfil(shop, order, callbackUrl=f"{receiver.url}/done?of={order}").json()["id"]
    ended = shop.ended(identity)
    until(lambda: len(receiver.posts) >= 2, "the callback, twice")
    for path, headers, body in receiver.posts:
        assert path == f"/done?of={order}"
        assert json.loads(body) == ended["result"]
        assert headers["content-type"] == "application/json"
        assert headers["x-funcatron-execution"] == identity
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        mac = hmac.new(base64.b64decode(SECRET), signed, hashlib.sha256).digest()
        assert headers["webhook-signature"].split() == ["v1," + base64.b64encode(mac).decode()]
    assert len({headers["webhook-id"] for _, headers, _ in receiver.posts}) == 1, "one message, delivered again"
    (delivery,) = [
        record for record in shop.executions(function="funcatron.callbacks.deliver")
        if record["input"]["body"]["execution"] == identity
    ]  # fmt: skip
    assert (shop.ended(delivery["id"])["state"], delivery["event_source"]) == ("succeeded", ended["links"]["self"])
    assert len(receiver.posts) == 2


def test_called_back_with_what_went_wrong(shop: Program, receiver: Receiver) -> None:
    identity = fulfil(shop, NO_ORDER, callbackUrl=receiver.url).json()["id"]
    assert shop.ended(identity)["state"] == "failed"
    until(lambda: receiver.posts, "the callback")
    ((_, headers, body),) = receiver.posts
    assert headers["content-type"] == "application/problem+json"
    assert headers["x-funcatron-state"] == "failed"
    assert (json.loads(body)["status"], json.loads(body)["title"]) == (404, "Unknown order")


def test_private_addresses_are_not_called_by_default(
    tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int], receiver: Receiver
) -> None:
    with running("run", SHOP, folder=tmp_path_factory.mktemp("shop"), port=free_port()) as shop:
        identity = fulfil(shop, place_order(shop), callbackUrl=receiver.url).json()["id"]
        assert shop.ended(identity)["state"] == "succeeded"
        (delivery,) = until(lambda: shop.executions(function="funcatron.callbacks.deliver"), "the delivery")
        refused = shop.ended(delivery["id"])
        assert (refused["state"], refused["attempt"]) == ("failed", 1)
        assert "127.0.0.1" in refused["problem"]["detail"]
        assert receiver.posts == []
