"""The trigger of the kind ``swift``: objects that come, change or go in a container call a function.

Notifications are hints. Each object that they name is asked for, and what Swift shows then is the event: exactly one
for each version that was seen, whatever the bus has doubled, reordered or made up. See docs/openstack.md.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec

from funcatron.errors import FuncatronError, Unavailable
from funcatron.event import CloudEvent
from funcatron.execution import new_id
from funcatron.extras import missing
from funcatron.ports import Channel, Publish
from funcatron.settings import Settings
from funcatron_openstack.bus import PREFIX, Subscription
from funcatron_openstack.channel import notified, posted
from funcatron_openstack.container import Container, Denied
from funcatron_openstack.events import Place, members, simulated, stored
from funcatron_openstack.filter import ObjectFilter
from funcatron_openstack.hint import Hint
from funcatron_openstack.known import KnownObjects
from funcatron_openstack.listening import Listening
from funcatron_openstack.rate import Rate
from funcatron_openstack.sources import hints_of_event
from funcatron_openstack.watch import Watch

__all__ = ["SwiftTrigger"]

logger = logging.getLogger("funcatron.swift")

DEFAULT_ACTIONS = ("created",)
PERIOD = 30.0
RATE = 100.0
EXCHANGE, ROUTING_KEY = "swift", "notifications.info"
"""What ceilometermiddleware publishes to, as DevStack sets it up."""


class SwiftTrigger:
    """``swift: {container: photos, prefix: raw/, suffix: [.jpg, .png], actions: [created, deleted]}``."""

    kind = "swift"

    def __init__(self, *, function: str, settings: Mapping[str, Any], config: Settings) -> None:
        self._function = function
        self._settings = settings
        self._config = config
        self._wanted = ObjectFilter.from_settings(settings)
        self._actions = tuple(settings.get("actions", DEFAULT_ACTIONS))
        self._notifications: str | None = settings.get("notifications") or config.notifications
        self._told = threading.Event()
        self._container = _container(settings, config)
        self._known = KnownObjects(Path(config.data_dir).resolve(), self._key)
        self._watch = self._watching(self._known)
        self._listening: Listening | None = None

    @classmethod
    def check(cls, settings: Mapping[str, Any]) -> Sequence[str]:
        """See funcatron.ports.Trigger."""
        mistakes = []
        url = settings.get("notifications")
        if url is not None and "://" not in str(url):
            mistakes.append(f"notifications is {url!r}; it must be a broker's URL such as amqp://user:password@host//")
        if "/" in str(settings.get("container", "")):
            mistakes.append(f"container is {settings['container']!r}; the names of containers have no slash")
        if (said := missing("openstack")) is not None:
            mistakes.append(said)
        return mistakes

    @classmethod
    def members(cls, settings: Mapping[str, Any]) -> Collection[str]:
        """See funcatron.ports.Trigger."""
        return members(settings.get("actions", DEFAULT_ACTIONS))

    def warnings(self) -> Sequence[str]:
        """Return what may surprise, in words."""
        said = []
        if self._notifications is None:
            period = self._settings.get("poll", PERIOD)
            said.append(
                f"no notifications are set (FUNCATRON_NOTIFICATIONS): {self._container.name} is looked into every "
                f"{period:g} s, and of several changes of one object between two looks only the last is seen"
            )
        writes = self._settings.get("writes", [])
        if self._container.name in ([writes] if isinstance(writes, str) else writes):
            said.append(
                f"{self._function} writes into {self._container.name}, from which it is called: what it writes by "
                "context.openstack is left out, what it writes otherwise calls it again"
            )
        return said

    def describe(self) -> str:
        """See funcatron.ports.Trigger."""
        parts = [f"swift {self._container.name}", " or ".join(self._actions)]
        for word, texts in (("from", self._wanted.prefixes), ("to", self._wanted.suffixes)):
            if any(texts):
                parts.append(f"{word} {', '.join(texts)}")
        return " ".join(parts)

    def channel(self) -> Channel:
        """See funcatron.ports.Described."""
        if self._notifications is None:
            return posted(self.describe())
        exchange, key = self._settings.get("exchange", EXCHANGE), self._settings.get("routing_key", ROUTING_KEY)
        return notified(self._notifications, str(exchange), str(key), self.describe())

    def receive(self, event: CloudEvent) -> Sequence[CloudEvent]:
        """See funcatron.ports.Receiver: what Ceph and Aodh post. Nothing is kept of it until the look finds it, too."""
        hints = [hint for hint in hints_of_event(event) if hint.container == self._container.name]
        named = [(hint.object, hint) for hint in hints if hint.object is not None and self._wanted.wants(hint.object)]
        if not named:
            return []
        try:
            if not self._watch.since:
                self._watch.begin(datetime.now(UTC))
            account = self._container.account
            found = [self._watch.peek(name, hint) for name, hint in named if hint.account in (account, None)]
        except Denied as error:
            raise Unavailable(str(error)) from error
        return [event for event in found if event is not None]

    def simulate(self, facts: Mapping[str, Any]) -> CloudEvent | None:
        """See funcatron.ports.Simulated: an object that was created, updated or deleted."""
        name, action = str(facts.get("object", "")), facts.get("action", "created")
        if facts.get("container") != self._container.name or action not in self._actions:
            return None
        place = Place(str(self._settings.get("account") or facts.get("account", "AUTH_test")), self._container.name)
        return simulated(place, name, action, facts) if self._wanted.wants(name) else None

    @classmethod
    def live(cls, reference: str, *, settings: Sequence[Mapping[str, Any]], config: Settings) -> CloudEvent:
        """See funcatron.ports.Trigger; the reference is ``CONTAINER/OBJECT``."""
        name, _, given = reference.partition("/")
        found = next((one for one in settings if one["container"] == name), {"container": name})
        container = _container(found, config)
        version = container.head(given) if given else None
        if version is None:
            raise FuncatronError(f"there is no object {given!r} in the container {name!r} of {container.account}")
        event = stored(Place(container.account, name), version, "created", Hint(verb="seen"))
        return msgspec.structs.replace(event, id=f"{event.id}-{new_id()}")  # it is asked for, however often

    def start(self, publish: Publish) -> None:
        """See funcatron.ports.Trigger."""
        queue = f"{PREFIX}{self._known.deployment}.{self._key}" if self._notifications is not None else None
        self._listen(self._watch, publish, queue)

    def rehearse(self, tell: Callable[[str], None]) -> None:
        """See funcatron.ports.Trigger: what would happen is told, nothing is published, nothing is kept."""
        self._listen(self._watching(KnownObjects(None, self._key), tell), lambda event: None, None)

    def _listen(self, watch: Watch, publish: Publish, queue: str | None) -> None:
        subscription = None
        if self._notifications is not None:
            subscription = Subscription(
                url=self._notifications,
                exchange=str(self._settings.get("exchange", EXCHANGE)),
                routing_key=str(self._settings.get("routing_key", ROUTING_KEY)),
                queue=queue,
            )
        period = float(self._settings.get("poll", PERIOD))
        self._listening = Listening(
            watch, self._wanted, publish, subscription=subscription, period=period, told=self._told
        )
        self._listening.start()

    def stop(self) -> None:
        """See funcatron.ports.Trigger."""
        self._told.set()
        if self._listening is not None:
            self._listening.stop()
        self._known.close()

    @property
    def _key(self) -> str:
        """What tells this watch from others in the data folder; with other settings of what it sees it is another."""
        cloud = self._settings.get("cloud") or self._config.cloud
        named = [self._function, cloud, self._settings.get("account"), self._settings["container"]]
        wanted = self._wanted
        seen = [sorted(wanted.prefixes), sorted(wanted.suffixes), wanted.segments, sorted(self._actions)]
        return sha256(msgspec.json.encode([*named, *seen])).hexdigest()[:16]

    def _watching(self, known: KnownObjects, tell: Callable[[str], None] = logger.debug) -> Watch:
        rate = Rate(float(self._settings.get("rate", RATE)))
        return Watch(self._function, self._container, known, self._actions, rate, wait=self._told.wait, tell=tell)


def _container(settings: Mapping[str, Any], config: Settings) -> Container:
    cloud = settings.get("cloud") or config.cloud
    return Container(str(settings["container"]), config, cloud=cloud, account=settings.get("account"))
