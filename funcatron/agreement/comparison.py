"""Where a type in Python and the document that describes its values differ.

What is certain to refuse a call that the document promises to take, or to make an answer that the document forbids, is
a mistake. Every other difference may be meant, and is a warning: of bodies the document is asked first, so a type that
takes more never sees it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from funcatron.agreement.described import described, plain_type
from funcatron.agreement.form import Form, Member
from funcatron.agreement.values import compare_values
from funcatron.annotations import Typed
from funcatron.binding import is_json
from funcatron.named_types import body_places, reply_places
from funcatron.spec.json_schema import Direction
from funcatron.spec.operation import Operation
from funcatron.spec.pointer import Parts, join

__all__ = ["Difference", "differences"]


class Difference(msgspec.Struct, frozen=True):
    """One difference: where it is in the document (a JSON Pointer), what it is, and whether it is a mistake."""

    pointer: str
    message: str
    certain: bool


def differences(
    operation: Operation, body: Typed | None, returned: Typed | None, named: Mapping[tuple[str, str], Typed]
) -> list[Difference]:
    """Return how the types of an operation differ from its document: of the body; of what the handler says it returns,
    with 2xx; and of the answers that the document names types for (by status and media type). Each once.

    Raises FuncatronError where a type cannot be looked into.
    """
    found: list[Difference] = []
    tree = operation.document.content
    for media_type, parts in body_places(operation) if body is not None else ():
        if body is not None and body.reader is None and _is_json(media_type):
            found += _differences(tree, parts, body, "request")
    for status, media_type, parts in reply_places(operation) if returned is not None or named else ():
        typed = named.get((status, media_type)) or (returned if status.startswith("2") else None)
        if typed is not None and _is_json(media_type):
            found += _differences(tree, parts, typed, "response")
    mistaken = {(one.pointer, one.message) for one in found if one.certain}
    return [one for one in dict.fromkeys(found) if one.certain or (one.pointer, one.message) not in mistaken]


def _is_json(media_type: str) -> bool:
    return is_json(media_type) or media_type.startswith("*/")


def _differences(tree: Any, parts: Parts, typed: Typed, direction: Direction) -> Iterator[Difference]:
    said, place = described(tree, parts)
    own = plain_type(typed) if typed.schema is None else _schema_form(typed, direction)
    if own.kinds is not None and "null" not in (said.kinds or ()):
        # Order | None: there may be no body, or no answer.
        own = msgspec.structs.replace(own, kinds=own.kinds - {"null"})
    comparison = _Comparison(direction == "request")
    # Nothing makes a handler return what a plain type says, so that answers may be right in spite of it.
    yield from comparison.compare(said, own, place, typed.name, direction == "request" or typed.schema is not None)


def _schema_form(typed: Typed, direction: Direction) -> Form:
    from funcatron.agreement.marshmallows import schema_form  # where there is a Schema, marshmallow is imported already

    return schema_form(typed, direction)


class _Comparison:
    """Of one type with the schema of one body (``incoming``) or answer."""

    def __init__(self, incoming: bool) -> None:
        self._incoming = incoming
        self._seen: set[tuple[Any, Any]] = set()

    def compare(self, said: Form, own: Form, place: Parts, name: str, certain: bool) -> Iterator[Difference]:
        """Yield the differences of what the document says at ``place`` and what a type says of its part ``name``;
        where that is not ``certain`` to be what happens, they are warnings.
        """
        if own.key is not None:
            if (place, own.key) in self._seen:
                return
            self._seen.add((place, own.key))
        certain = certain and own.firm
        comparable = True
        for finding in compare_values(said, own, name, incoming=self._incoming):
            yield Difference(join(place), finding.message, certain and finding.certain)
            comparable = comparable and not finding.different
        if not comparable:
            return
        if own.members is not None and said.kinds is not None and "object" in said.kinds:
            yield from self._members(said, own, place, name, certain)
        if said.items is not None and own.items is not None:
            items = said.items()
            yield from self.compare(items, own.items(), items.key or (*place, "items"), name, certain)

    def _members(self, said: Form, own: Form, place: Parts, name: str, certain: bool) -> Iterator[Difference]:
        described_members, own_members = said.members, own.members or {}
        if described_members is None:
            told = ", ".join(own_members)
            yield Difference(join(place), f"the document describes no properties; {name} has {told}", False)
            return
        if self._incoming and said.others == "taken" and own.others == "refused":
            told = f"{name} refuses unknown fields, and the document allows additional properties"
            yield Difference(join(place), told, certain)
        for key, member in own_members.items():
            if key not in described_members and not self._is_hidden(member):
                yield from self._undescribed(said, member, place, f"{name}.{key}", certain)
        for key, member in described_members.items():
            there, own_member = member.place, own_members.get(key)
            if own_member is None or self._is_hidden(own_member) != self._is_hidden(member):
                yield from self._unshared(member, own_member, own, there, f"{name}.{key}", certain)
            elif not self._is_hidden(member):
                yield from self._shared(member, own_member, there, f"{name}.{key}", certain)

    def _is_hidden(self, member: Member) -> bool:
        """Whether a member has no place in this direction."""
        return member.read_only if self._incoming else member.write_only

    def _undescribed(self, said: Form, own: Member, place: Parts, name: str, certain: bool) -> Iterator[Difference]:
        """Of a field that the document does not have."""
        if self._incoming and own.required:
            yield Difference(join(place), f"{name} is required, and the document does not have it", certain)
        elif not self._incoming and said.others == "refused":
            told = f"{name} is in answers, and the document neither has it nor allows additional properties"
            yield Difference(join(place), told, certain)
        else:
            yield Difference(join(place), f"{name} is not in the document", False)

    def _unshared(
        self, said: Member, own: Member | None, holder: Form, place: Parts, name: str, certain: bool
    ) -> Iterator[Difference]:
        """Of a property that the type does not have, or not in this direction."""
        if own is not None and self._is_hidden(said):
            kept, used = "is write-only", "puts it into answers"
            if self._incoming:
                kept, used = "is read-only", "requires it" if own.required else "takes it"
            wrong = own.required or not self._incoming
            yield Difference(join(place), f"{kept} in the document, and {name} {used}", certain and wrong)
        elif self._is_hidden(said):
            return
        elif self._incoming:
            hidden = "is dump_only, so that it" if own is not None else "does not exist; it"
            if holder.others == "refused":
                yield Difference(join(place), f"{name} {hidden} is refused as unknown", certain)
            elif holder.others == "dropped":
                yield Difference(join(place), f"{name} {hidden} is dropped", False)
        else:
            hidden = "is load_only" if own is not None else "does not exist"
            demanded = ", where it is required" if said.required else ""
            told = f"{name} {hidden}, so that it is in no answer{demanded}"
            yield Difference(join(place), told, certain and said.required)

    def _shared(self, said: Member, own: Member, place: Parts, name: str, certain: bool) -> Iterator[Difference]:
        if self._incoming and own.required and not said.required:
            yield Difference(join(place), f"{name} is required, and not in the document", certain)
        if self._incoming and said.required and not own.required:
            yield Difference(join(place), f"{name} is not required, but in the document", False)
        form = said.form()
        yield from self.compare(form, own.form(), form.key or place, name, certain)
