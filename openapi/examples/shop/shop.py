"""The handlers of the shop: plain functions, found by the operationIds of openapi.yaml."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import shop_database as database

from funcatron import Context, Problem

PRICE_LIST = Path(__file__).with_name("prices.json")
STEP_SECONDS = 0.5  # how long picking one line of an order takes


def list_items(
    limit: int, category: str | None = None, max_price: int | None = None, after: str | None = None
) -> dict[str, Any]:
    """Return one page of items; a page that is full may have another one behind it."""
    with database.open() as db:
        items = db.execute(
            "SELECT * FROM items WHERE sku > ? AND (? IS NULL OR category = ?) AND (? IS NULL OR price <= ?)"
            " ORDER BY sku LIMIT ?",
            (after or "", category, category, max_price, max_price, limit),
        ).fetchall()
    return {"items": items, "next": items[-1]["sku"] if len(items) == limit else None}


def get_item(sku: str) -> dict[str, Any]:
    """Return one item, or refuse with 404."""
    with database.open() as db:
        item: dict[str, Any] | None = db.execute("SELECT * FROM items WHERE sku = ?", (sku,)).fetchone()
    if item is None:
        raise Problem(404, "Unknown item", f"there is no item {sku}", sku=sku)
    return item


def create_order(body: dict[str, Any], context: Context) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Reserve the items and write the order, both or neither."""
    total = 0
    with database.change() as db:
        for line in body["lines"]:
            item = db.execute("SELECT * FROM items WHERE sku = ?", (line["sku"],)).fetchone()
            if item is None:
                raise Problem(409, "Unknown item", f"there is no item {line['sku']}", sku=line["sku"])
            if item["stock"] < line["quantity"]:
                raise Problem(409, "Out of stock", f"{item['stock']} of {line['sku']} are left", sku=line["sku"])
            db.execute("UPDATE items SET stock = stock - ? WHERE sku = ?", (line["quantity"], line["sku"]))
            total += item["price"] * line["quantity"]
        # The execution's id is the same over all attempts, so an order that a worker begins again is not made twice.
        db.execute(
            "INSERT INTO orders (id, customer, lines, total) VALUES (?, ?, ?, ?)",
            (context.id, body["customer"], json.dumps(body["lines"]), total),
        )
    return get_order(context.id), 201, {"Location": f"/shop/orders/{context.id}"}


def get_order(order_id: str) -> dict[str, Any]:
    """Return one order, or refuse with 404."""
    with database.open() as db:
        order: dict[str, Any] | None = db.execute("SELECT * FROM orders WHERE id = ?", (order_id.lower(),)).fetchone()
    if order is None:
        raise Problem(404, "Unknown order", f"there is no order {order_id}")
    return {**order, "lines": json.loads(order["lines"])}


def fulfil_order(order_id: str, body: dict[str, Any], context: Context) -> dict[str, Any]:
    """Pick every line, then ship; an order that was shipped before keeps its tracking number."""
    order = get_order(order_id)
    for number, line in enumerate(order["lines"], start=1):
        context.logger.info("picking %s x %s", line["quantity"], line["sku"])
        time.sleep(STEP_SECONDS)
        context.progress(number, len(order["lines"]), f"picked {line['sku']}")
    tracking = f"{body['carrier'].upper()}-{order['id'][-8:].upper()}"
    with database.change() as db:
        db.execute(
            "UPDATE orders SET state = 'shipped', tracking = coalesce(tracking, ?) WHERE id = ?",
            (tracking, order["id"]),
        )
    tracking = get_order(order_id)["tracking"]
    return {"order": order["id"], "carrier": tracking.partition("-")[0].lower(), "tracking": tracking}


def import_prices(full: bool, context: Context) -> dict[str, int]:
    """Take over the supplier's prices of what is in stock, or of everything."""
    prices: list[dict[str, Any]] = json.loads(PRICE_LIST.read_text())
    with database.change() as db:
        wanted = {row["sku"] for row in db.execute("SELECT sku FROM items WHERE stock > 0 OR ?", (full,))}
        checked = [price for price in prices if price["sku"] in wanted]
        changed = sum(
            db.execute("UPDATE items SET price = :price WHERE sku = :sku AND price <> :price", price).rowcount
            for price in checked
        )
    context.logger.info("%s prices checked, %s changed", len(checked), changed)
    return {"checked": len(checked), "changed": changed}


def stock_counted(body: dict[str, Any]) -> tuple[None, int]:
    """Believe the warehouse: what it counted is what there is."""
    with database.change() as db:
        if not db.execute("UPDATE items SET stock = :stock WHERE sku = :sku", body).rowcount:
            raise Problem(404, "Unknown item", f"there is no item {body['sku']}", sku=body["sku"])
    return None, 204
