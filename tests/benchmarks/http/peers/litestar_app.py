"""Litestar: the contract as msgspec Structs, its fastest idiom. Input is validated, output is not."""
# no "from __future__ import annotations": Litestar reads the annotations of nested functions

import datetime as dt
from typing import Annotated, Any, Literal

import msgspec
from litestar import Litestar, get, post
from litestar.params import Parameter
from msgspec import Meta

Name = Annotated[str, Parameter(min_length=1, max_length=64)]
Number = Annotated[int, Parameter(ge=0, le=1000)]


class Model(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    pass


class Address(Model):
    street: Annotated[str, Meta(min_length=1)]
    city: Annotated[str, Meta(min_length=1)]
    postcode: Annotated[str, Meta(pattern=r"^[0-9]{4,5}$")]


class Customer(Model):
    name: Annotated[str, Meta(min_length=1, max_length=80)]
    email: Annotated[str, Meta(pattern=r"^[^@\s]+@[^@\s]+$")]
    phone: Annotated[str, Meta(pattern=r"^\+?[0-9 ]{7,20}$")] | None = None
    address: Address | None = None


class Line(Model):
    sku: Annotated[str, Meta(min_length=3, max_length=20)]
    quantity: Annotated[int, Meta(ge=1, le=999)]
    price: Annotated[float, Meta(ge=0)]
    title: Annotated[str, Meta(min_length=1)] | None = None


class Order(Model):
    number: Annotated[str, Meta(pattern=r"^[A-Z]{2}-[0-9]{6}$")]
    customer: Customer
    currency: Literal["CHF", "EUR", "GBP", "USD"]
    lines: Annotated[list[Line], Meta(min_length=1, max_length=20)]
    tags: Annotated[list[Annotated[str, Meta(min_length=1, max_length=20)]], Meta(max_length=10)]
    channel: Literal["web", "shop", "phone"] | None = None
    express: bool | None = None
    placed: dt.date | None = None
    discount: Annotated[float, Meta(ge=0, le=1)] | None = None
    priority: Annotated[int, Meta(ge=0, le=9)] | None = None
    coupon: Annotated[str, Meta(pattern=r"^[A-Z0-9]{8}$")] | None = None
    note: Annotated[str, Meta(max_length=500)] | None = None


class TakenOrder(Order, kw_only=True):
    id: int


def app() -> Litestar:
    return Litestar([hello, create_order, create_order_sync, broken], openapi_config=None, logging_config=None)


@get("/hello/{name:str}")
async def hello(name: Name, n: Number = 1) -> dict[str, Any]:
    return {"message": f"hello {name}", "n": n}


@post("/orders")
async def create_order(data: Order) -> TakenOrder:
    return _taken(data)


@post("/orders-sync", sync_to_thread=True)
def create_order_sync(data: Order) -> TakenOrder:
    return _taken(data)


@get("/broken")
async def broken() -> dict[str, Any]:
    return {"message": 1, "n": "not a number"}


def _taken(order: Order) -> TakenOrder:
    return TakenOrder(id=42, **msgspec.structs.asdict(order))
