"""Operations of OpenAPI 3.0 (specification 3.0.3, section 4.7): parameters, bodies, responses, servers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

from funcatron.spec.operation import Body, Media, Parameter, Reply
from funcatron.spec.pointer import Parts, join
from funcatron.spec.reading import Placed, Reading

__all__ = ["OpenAPI3", "server_path"]

_IGNORED_HEADERS = frozenset({"accept", "content-type", "authorization"})
"""Section 4.7.12.1: a header parameter of this name shall be ignored."""

_STYLES = {"path": "simple", "query": "form", "header": "simple", "cookie": "form"}


class OpenAPI3(Reading):
    """Reads what one operation of a 3.0 document takes and gives."""

    def base_path(self) -> str:
        """Return the path of the first server's URL with its variables' defaults, without a slash at the end."""
        servers = self.tree.get("servers")
        return server_path(servers[0]) if servers else ""

    def parameters(self, found: Iterable[Placed]) -> tuple[Parameter, ...]:
        """Return the parameters; ``found`` are the merged ones of path and operation, each with its place."""
        return tuple(
            self._parameter(place, parameter)
            for place, parameter in found
            if not (parameter["in"] == "header" and parameter["name"].lower() in _IGNORED_HEADERS)
        )

    def _parameter(self, place: Parts, parameter: Mapping[str, Any]) -> Parameter:
        location = parameter["in"]
        style = parameter.get("style", _STYLES[location])
        media_type, media = next(iter(parameter.get("content", {}).items()), (None, parameter))
        return Parameter(
            name=parameter["name"],
            location=location,
            schema=media.get("schema", {}),
            required=parameter.get("required", False),
            style=style,
            explode=parameter.get("explode", style == "form"),
            allow_empty=parameter.get("allowEmptyValue", False),
            media_type=media_type,
            pointer=join(place),
        )

    def body(self, operation: Placed, found: Iterable[Placed]) -> Body | None:
        """Return the request body, None where there is none."""
        place, node = operation
        if "requestBody" not in node:
            return None
        body = self.resolved(node["requestBody"])
        # connexion reads x-body-name of the body; of the operation is how it was before 3.0.
        name = body.get("x-body-name") or node.get("x-body-name") or "body"
        return Body(
            name=name,
            required=body.get("required", False),
            content=self._content(body),
            pointer=join((*place, "requestBody")),
        )

    def replies(self, operation: Mapping[str, Any]) -> dict[str, Reply]:
        """Return the responses by status: ``200``, ``2XX``, ``default``."""
        return {status: self._reply(response) for status, response in self.responses(operation)}

    def _reply(self, response: Mapping[str, Any]) -> Reply:
        headers = {name.lower(): header for name, header in self._headers(response)}
        return Reply(
            content=self._content(response),
            headers={
                name: next(iter(h.get("content", {}).values()), h).get("schema", {}) for name, h in headers.items()
            },
            required_headers=frozenset(name for name, header in headers.items() if header.get("required")),
        )

    def _headers(self, response: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for name, header in response.get("headers", {}).items():
            if name.lower() != "content-type":  # section 4.7.17.1: shall be ignored
                yield name, self.resolved(header)

    def _content(self, holder: Mapping[str, Any]) -> dict[str, Media]:
        return {
            media_type: Media(schema=media.get("schema"), encoding=media.get("encoding", {}))
            for media_type, media in holder.get("content", {}).items()
        }


def server_path(server: Mapping[str, Any]) -> str:
    """Return the path of a Server Object's URL with its variables' defaults, without a slash at the end.

    Raises ValueError where the URL is none, or has a variable that is not defined in its path.
    """
    url: str = server["url"]
    for name, variable in server.get("variables", {}).items():
        url = url.replace("{" + name + "}", variable["default"])
    # A relative URL is relative to where the document is served: the root.
    path = urlsplit(urljoin("http://localhost/", url)).path
    unknown = re.search(r"\{[^{}]*\}", path)
    if unknown:
        raise ValueError(f"the variable {unknown[0]} is not defined")
    return unquote(path).rstrip("/")
