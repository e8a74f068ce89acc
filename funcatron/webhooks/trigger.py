"""The trigger of the kind ``webhook``: what another service posts to a path of this server calls a function.

One path may lead to many functions, each with its ``match``; whoever posts there is known by one signature. The HTTP
door serves the paths (``funcatron.http.webhooks``); this says which they are, and what is wrong with them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from funcatron.errors import Mistake, SettingsError
from funcatron.ports import Publish
from funcatron.settings import Settings, variable_of
from funcatron.spec.operation import Operation, TriggerBinding
from funcatron.webhooks.matching import Delivery, Match, Place
from funcatron.webhooks.signing import SCHEMES, Scheme

__all__ = ["Sender", "WebhookTrigger"]

CONTROL = "/_funcatron"
_PATH = re.compile(r"/[\w.~!$&'()*+,;=:@/-]*", re.ASCII)  # RFC 3986 section 3.3, nothing percent-encoded
_PARAMETER = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True, slots=True)
class Sender:
    """Who posts to a path: how requests are signed, the names of the secrets (any of them is right, so that they can be
    changed), and where a delivery's id is, if not where the scheme says.
    """

    signature: str
    secrets: tuple[str, ...]
    id: str | None

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Sender:
        """Read a trigger's settings."""
        secrets = settings.get("secret", ())
        names = (secrets,) if isinstance(secrets, str) else tuple(secrets)
        return cls(str(settings.get("signature", "standard")), names, settings.get("id"))

    def scheme(self, config: Settings) -> Scheme:
        """Return what checks signatures; raises SettingsError where no secret is set, or one that cannot be one."""
        found = {name: secret for name in self.secrets if (secret := config.secret(name))}
        if self.secrets and not found:
            raise SettingsError(f"a webhook's secret is not set: {self.variables}")
        return SCHEMES[self.signature](found)

    @property
    def variables(self) -> str:
        """The environment variables of its secrets, for people."""
        return " or ".join(map(variable_of, self.secrets))

    def id_place(self, scheme: Scheme) -> Place | None:
        """Return where a delivery's id is, None where nothing tells deliveries apart."""
        if self.id is not None:
            return Place.parse(self.id)
        return None if scheme.id_header is None else Place("header", scheme.id_header)


class WebhookTrigger:
    """``webhook: {path: /hooks/github, signature: github, secret: GITHUB_SECRET, match: {body.action: opened}}``.

    It is made of settings that ``check`` has nothing against.
    """

    kind = "webhook"

    def __init__(self, *, function: str, settings: Mapping[str, Any], config: Settings) -> None:
        self.function = function
        self.path = str(settings["path"])
        self.sender = Sender.of(settings)
        self._conditions: Mapping[str, Any] = settings.get("match", {})
        self._match = Match.parse(self._conditions)
        self._config = config

    @classmethod
    def check(cls, settings: Mapping[str, Any]) -> Sequence[str]:
        """See funcatron.ports.Trigger."""
        path, sender = str(settings.get("path", "")), Sender.of(settings)
        mistakes = []
        if _PATH.fullmatch(path) is None:
            mistakes.append(f"path is {path!r}; it must be a fixed path such as /hooks/github, without parameters")
        if path == CONTROL or path.startswith(CONTROL + "/"):
            mistakes.append(f"path is {path!r}; what is below {CONTROL} is the control API's")
        if sender.signature == "none" and sender.secrets:
            mistakes.append("signature is none, so the secret would protect nothing: say how requests are signed")
        if sender.signature != "none" and not sender.secrets:
            mistakes.append(f"secret is required: the setting with which {sender.signature} signatures are checked")
        if sender.signature == "standard" and sender.id is not None:
            mistakes.append("id is webhook-id with the signature standard, where it is signed; leave it out")
        for place in (*settings.get("match", {}), *([sender.id] if sender.id is not None else [])):
            try:
                Place.parse(place)
            except ValueError as error:
                mistakes.append(str(error))
        return mistakes

    @classmethod
    def check_all(cls, operations: Sequence[Operation]) -> Iterator[Mistake]:
        """See funcatron.ports.Trigger: a path is an operation's or a webhook's, and has one sender."""
        routes = [(operation, _pattern(operation)) for operation in operations if _takes_posts(operation)]
        senders: dict[str, Sender] = {}
        for operation, binding in _bindings(operations, cls.kind):
            path, sender = str(binding.settings.get("path")), Sender.of(binding.settings)
            mistake = partial(operation.document.mistake, binding.pointer)
            if path not in senders:
                senders[path] = sender
                for other, pattern in routes:
                    if pattern.fullmatch(path):
                        yield mistake(f"POST {path} is {other.name}'s already, whose route is {other.route}")
            elif senders[path] != sender:
                yield mistake(f"signature, secret and id must be the same for all webhooks at {path}")

    def warnings(self) -> Sequence[str]:
        """Return what may surprise, in words."""
        if self.sender.signature == "none":
            return [f"{self.path} is not signed: whoever can reach it can call {self.function}"]
        if any(map(self._config.secret, self.sender.secrets)):
            return []
        return [f"{self.sender.variables} is not set: HTTP does not start without a secret of {self.path}"]

    def describe(self) -> str:
        """See funcatron.ports.Trigger."""
        conditions = [f"{place} is {_shown(value)}" for place, value in self._conditions.items()]
        signed = "not signed" if self.sender.signature == "none" else f"signed as {self.sender.signature}"
        return f"webhook POST {self.path}, {signed}" + (", where " if conditions else "") + " and ".join(conditions)

    def wants(self, delivery: Delivery) -> bool:
        """Whether a delivery at its path is for its function."""
        return self._match.holds(delivery)

    def start(self, publish: Publish) -> None:
        """Nothing listens: HTTP serves the path."""

    def stop(self) -> None:
        """Nothing to end."""


def _bindings(operations: Iterable[Operation], kind: str) -> Iterator[tuple[Operation, TriggerBinding]]:
    for operation in operations:
        yield from ((operation, binding) for binding in operation.extension.triggers if binding.kind == kind)


def _takes_posts(operation: Operation) -> bool:
    return operation.method == "post" and operation.route is not None


def _pattern(operation: Operation) -> re.Pattern[str]:
    """Return what matches the paths of a route: a parameter is one segment, or with ``format: path`` several."""
    spanning = {p.name for p in operation.parameters if p.location == "path" and p.schema.get("format") == "path"}
    parts = _PARAMETER.split(operation.route or "")
    return re.compile(
        "".join(
            re.escape(part) if index % 2 == 0 else ".+" if part in spanning else "[^/]+"
            for index, part in enumerate(parts)
        )
    )


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
