"""From hints to events: each object is asked for, once for all that is said of it; only what is true is published."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from zlib import crc32

from funcatron.errors import Problem, Unavailable
from funcatron.event import CloudEvent
from funcatron.ports import Publish
from funcatron_openstack.container import Container
from funcatron_openstack.events import Place, deleted, stored
from funcatron_openstack.hint import Hint
from funcatron_openstack.known import KnownObjects
from funcatron_openstack.marks import LIMIT, Mark, mark_of_delete, mark_of_version
from funcatron_openstack.objects import ObjectVersion, is_folder, moment
from funcatron_openstack.rate import Rate
from funcatron_openstack.verdict import Action, KnownObject, verdict

__all__ = ["Watch"]

logger = logging.getLogger("funcatron.swift")

STRIPES = 64
SLACK = timedelta(seconds=1)
"""Swift tells its time to the second."""


class Watch:
    """What one trigger makes of hints. Any thread may ask; what concerns one object is done one after another.

    ``wait(seconds)`` waits and returns whether to give up; ``tell`` is given a line for each hint.
    """

    def __init__(
        self,
        function: str,
        container: Container,
        known: KnownObjects,
        actions: Collection[Action],
        rate: Rate,
        *,
        wait: Callable[[float], bool],
        tell: Callable[[str], None] = logger.debug,
    ) -> None:
        self.container = container
        self.known = known
        self.since = ""
        self._function = function
        self._actions = actions
        self._rate = rate
        self._wait = wait
        self._tell = tell
        self._locks = [threading.Lock() for _ in range(STRIPES)]

    def begin(self, at: datetime) -> None:
        """Settle what is new: what has come after ``at``, or after this watch first began. Raises as ``settle``."""
        skew = self.container.clock() - datetime.now(UTC)
        self.since = self.known.begin(moment(at + skew - SLACK))

    def peek(self, name: str, hint: Hint) -> CloudEvent | None:
        """Return the event of an object, if there is one, and keep nothing. Raises as ``settle``."""
        if (pause := self._rate.reserve()) and self._wait(pause):
            raise Unavailable("this process ends")
        version, before = self.container.head(name), self.known.get(name)
        event, reason = self._event(version, before, verdict(before, version, [hint.verb], self.since), hint)
        self._tell(f"{hint.verb} {self.container.name}/{name}: {reason}")
        return event

    def settle(self, name: str, hints: Sequence[Hint], publish: Publish, listed: str | None = None) -> bool:
        """Ask for one object and publish what has happened to it; returns whether it came to that before the end.

        ``listed`` is its moment in a listing. Raises Unavailable and Denied; then nothing of it was done.
        """
        with self._locks[crc32(name.encode()) % STRIPES]:
            if (pause := self._rate.reserve()) and self._wait(pause):
                return False
            version = self.container.head(name)
            before = self.known.get(name)
            action = verdict(before, version, [hint.verb for hint in hints], self.since)
            event, reason = self._event(version, before, action, hints[-1])
            if event is not None:
                self._publish(event, publish)
            self._keep(name, version, before, listed)
        said = " ".join(dict.fromkeys(hint.verb for hint in hints))
        self._tell(f"{said} {self.container.name}/{name}: {reason}")
        return True

    def pass_over(self, hint: Hint) -> None:
        """Tell of a hint about an object whose name is not asked for, and leave it."""
        self._tell(f"{hint.verb} {self.container.name}/{hint.object}: its name is not asked for")

    def _event(
        self, version: ObjectVersion | None, before: KnownObject | None, action: Action | None, hint: Hint
    ) -> tuple[CloudEvent | None, str]:
        """Return the event of a change, and in words why there is one or none."""
        place = Place(self.container.account, self.container.name)
        if action is None:
            return None, "nothing has changed" if version is not None else "there is no such object"
        if action not in self._actions:
            return None, f"{action}, which is not asked for"
        if version is None:
            assert before is not None
            mark, event = mark_of_delete(hint), deleted(place, before, hint)
        else:
            if is_folder(version.name, version.content_type, version.size):
                return None, f"{action}, but it only marks a folder"
            mark = mark_of_version(place.container, version)
            event = stored(place, version, action, hint, mark.generation if mark else 0)
        if (own := self._is_own(mark)) is not None:
            return None, f"{action}, {own}"
        return event, f"{action} at {event.time}, for {self._function}"

    def _is_own(self, mark: Mark | None) -> str | None:
        """Return why a function's write makes no event."""
        if mark is not None and mark.is_by(self._function):
            return f"by {self._function} itself"
        if mark is not None and mark.generation > LIMIT:
            logger.error("%s: more than %d functions have called each other by their writes", self._function, LIMIT)
            return f"by functions that call each other, more than {LIMIT} times"
        return None

    def _publish(self, event: CloudEvent, publish: Publish) -> None:
        try:
            publish(event)
        except Problem as problem:  # it will never be taken: what is known goes on
            logger.error("%s: the event %s of %s is refused: %s", self._function, event.id, event.subject, problem)

    def _keep(self, name: str, version: ObjectVersion | None, before: KnownObject | None, listed: str | None) -> None:
        if version is not None:
            other = listed if listed != version.timestamp else None
            self.known.put([KnownObject(name, version.timestamp, version.etag, other)])
        elif listed is not None:
            self.known.put([KnownObject(name, None, "", listed)])
        elif before is not None:
            self.known.forget([name])
