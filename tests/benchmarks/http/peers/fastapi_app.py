"""FastAPI: the contract as pydantic models, in two idioms.

``checked`` declares the response's model, so that the answer is validated as funcatron and connexion can. ``unchecked``
returns a Response that it has encoded itself, the fastest way: input is validated, output is not.
"""
# no "from __future__ import annotations": FastAPI reads the annotations of nested functions

import datetime as dt
from typing import Annotated, Any, Literal

import orjson
from fastapi import FastAPI, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

NAME = Path(min_length=1, max_length=64)
N = Query(ge=0, le=1000)
JSON = "application/json"


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Greeting(Model):
    message: str
    n: int


class Address(Model):
    street: Annotated[str, StringConstraints(min_length=1)]
    city: Annotated[str, StringConstraints(min_length=1)]
    postcode: Annotated[str, StringConstraints(pattern=r"^[0-9]{4,5}$")]


class Customer(Model):
    name: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    email: Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$")]  # cheaper than pydantic's EmailStr
    phone: Annotated[str, StringConstraints(pattern=r"^\+?[0-9 ]{7,20}$")] | None = None
    address: Address | None = None


class Line(Model):
    sku: Annotated[str, StringConstraints(min_length=3, max_length=20)]
    title: Annotated[str, StringConstraints(min_length=1)] | None = None
    quantity: Annotated[int, Field(ge=1, le=999)]
    price: Annotated[float, Field(ge=0)]


class Order(Model):
    number: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}-[0-9]{6}$")]
    customer: Customer
    currency: Literal["CHF", "EUR", "GBP", "USD"]
    channel: Literal["web", "shop", "phone"] | None = None
    express: bool | None = None
    placed: dt.date | None = None
    lines: Annotated[list[Line], Field(min_length=1, max_length=20)]
    tags: Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=20)]], Field(max_length=10)]
    discount: Annotated[float, Field(ge=0, le=1)] | None = None
    priority: Annotated[int, Field(ge=0, le=9)] | None = None
    coupon: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9]{8}$")] | None = None
    note: Annotated[str, StringConstraints(max_length=500)] | None = None


class TakenOrder(Order):
    id: int


def checked() -> FastAPI:
    app = FastAPI()

    @app.get("/hello/{name}")
    async def hello(name: Annotated[str, NAME], n: Annotated[int, N] = 1) -> Greeting:
        return Greeting(message=f"hello {name}", n=n)

    @app.post("/orders", status_code=201, response_model=TakenOrder)
    async def create_order(order: Order) -> dict[str, Any]:
        return {"id": 42, **dict(order)}

    @app.post("/orders-sync", status_code=201, response_model=TakenOrder)
    def create_order_sync(order: Order) -> dict[str, Any]:
        return {"id": 42, **dict(order)}

    @app.get("/broken", response_model=Greeting)
    async def broken() -> dict[str, Any]:
        return {"message": 1, "n": "not a number"}

    return app


def unchecked() -> FastAPI:
    app = FastAPI()

    @app.get("/hello/{name}", response_model=None)
    async def hello(name: Annotated[str, NAME], n: Annotated[int, N] = 1) -> Response:
        return Response(orjson.dumps({"message": f"hello {name}", "n": n}), media_type=JSON)

    @app.post("/orders", response_model=None)
    async def create_order(order: Order) -> Response:
        return _taken(order)

    @app.post("/orders-sync", response_model=None)
    def create_order_sync(order: Order) -> Response:
        return _taken(order)

    @app.get("/broken", response_model=None)
    async def broken() -> Response:
        return Response(orjson.dumps({"message": 1, "n": "not a number"}), media_type=JSON)

    return app


def _taken(order: Order) -> Response:
    taken = TakenOrder.model_construct(id=42, **dict(order))
    return Response(taken.model_dump_json(), status_code=201, media_type=JSON)
