"""FastAPI: the document of five hundred operations (``contract.big``) as pydantic models and path operations."""
# no "from __future__ import annotations": FastAPI reads the annotations of nested functions

import datetime as dt
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Path, Query
from pydantic import BaseModel, Field, StringConstraints, create_model

from tests.benchmarks.http.contract import big

KEY = Path(max_length=64)
LIMIT = Query(ge=1, le=100)


def many(resources: int = big.RESOURCES) -> FastAPI:
    app = FastAPI()
    for number in range(resources):
        _resource(app, number)
    return app


class Place(BaseModel):
    street: str | None = None
    city: str | None = None
    country: str | None = None


def _model(number: int) -> Any:
    """Return a model of its own for a resource, as its author would have written it as a class."""
    return create_model(
        f"Thing{number}",
        id=(Annotated[str, StringConstraints(max_length=64)], ...),
        name=(Annotated[str, StringConstraints(min_length=1, max_length=80)] | None, None),
        kind=(Literal["small", "large", "other"] | None, None),
        price=(Annotated[float, Field(ge=0)] | None, None),
        tags=(Annotated[list[Annotated[str, StringConstraints(min_length=1)]], Field(max_length=10)] | None, None),
        made=(dt.datetime | None, None),
        place=(Place | None, None),
    )


def _resource(app: FastAPI, number: int) -> None:
    thing = _model(number)
    path = f"/resource{number}"

    @app.get(path, response_model=list[thing], operation_id=f"list_resource{number}")
    async def list_things(limit: Annotated[int, LIMIT] = 20) -> Any:
        return [{"id": str(one)} for one in range(limit)]

    @app.post(path, status_code=201, response_model=thing, operation_id=f"create_resource{number}")
    async def create_thing(body: thing) -> Any:
        return body

    @app.get(path + "/{key}", response_model=thing, response_model_exclude_unset=True, operation_id=f"get_{number}")
    async def get_thing(key: Annotated[str, KEY]) -> Any:
        return {"id": key}

    @app.put(path + "/{key}", response_model=thing, operation_id=f"replace_resource{number}")
    async def replace_thing(key: Annotated[str, KEY], body: thing) -> Any:
        return {**body.model_dump(), "id": key}

    @app.delete(path + "/{key}", status_code=204, operation_id=f"delete_resource{number}")
    async def delete_thing(key: Annotated[str, KEY]) -> None:
        return None
