"""Funcatron: the composition root, where documents, handlers, store, broker and doors are joined. No globals.

``Funcatron("openapi.yaml")`` is an ASGI application that any ASGI server runs; the same object serves the worker, the
triggers and tests.
"""

from __future__ import annotations

import asyncio
import copy
import logging
import threading
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from funcatron import plugins
from funcatron.acceptance import Acceptance
from funcatron.bundles import documents_of
from funcatron.calls import Calls, ThreadCalls
from funcatron.clock import SYSTEM_CLOCK, Clock
from funcatron.clouds import Clouds, clouds_of
from funcatron.codec import encode_input
from funcatron.endings import Endings, record_of_sync_call
from funcatron.errors import FuncatronError, Problem, Unavailable
from funcatron.event import CloudEvent
from funcatron.execution import Attempt, Execution, new_id
from funcatron.failures import refusal
from funcatron.invocation import Invocation, Principal, Result
from funcatron.invoker import Invoker
from funcatron.parts import part
from funcatron.ports import Dispatcher, ExecutionStore, Lease, Middleware
from funcatron.records import EventCall, record_of_call
from funcatron.redact import redact_record
from funcatron.registry import Function, Handlers, Registry, build_registry, load_documents
from funcatron.runner import FinishLater, Runner
from funcatron.services import Services
from funcatron.settings import Settings, load_settings
from funcatron.spec.document import load
from funcatron.store.killed import Killed
from funcatron.triggers import BoundTrigger, bound_triggers, subscribers

__all__ = ["Funcatron"]

logger = logging.getLogger("funcatron.app")


Source = str | Path | Mapping[str, Any]
F = TypeVar("F", bound=Callable[..., Any])
CONTROL = "/_funcatron"


class Funcatron:
    """One application: the functions of its documents, callable through every door.

    ``specs`` are paths, URLs or dicts, and so are ``overlays``, which change them (OpenAPI Overlay 1.x; those of the
    settings come first); ``handlers`` take the place of importing what operationIds name; ``middleware`` wraps every
    invocation, the first one outermost; ``mounts`` are other applications (WSGI or ASGI) by path, for all that is no
    function; ``settings`` are read from the environment where none are given; ``store``, ``dispatcher``, ``calls`` and
    ``clock`` stand in for what the settings name and the system has (tests, embedding).

    Documents are loaded here, so a mistake raises SpecError here. Handlers are bound on first use of ``registry``
    (any door, or ``start``), so that services may be registered before.
    """

    def __init__(
        self,
        *specs: Source,
        handlers: Handlers | None = None,
        overlays: Sequence[Source] = (),
        middleware: Sequence[Middleware] = (),
        mounts: Mapping[str, Any] | None = None,
        settings: Settings | None = None,
        store: ExecutionStore | None = None,
        dispatcher: Dispatcher | None = None,
        calls: Calls | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.settings = settings or load_settings()
        self.documents = load_documents(
            documents_of(specs, self.settings),
            handlers,
            self.settings.cache_folder,
            (*self.settings.overlay, *overlays),
        )
        self.clock = clock
        self.services = Services()
        self.handlers = handlers
        self.mounts: Mapping[str, Any] = dict(mounts or {})
        self._middleware = tuple(middleware)
        self._given_store = store
        self._given_dispatcher = dispatcher
        self._calls = calls
        self._clouds: Clouds | None = None
        self._door: Any = None
        self._lease: Lease | None = None
        self._lock = threading.RLock()

    def service(self, name: str) -> Callable[[F], F]:
        """Register the decorated factory (a context manager, or a generator function) as a service for handlers."""

        def register(factory: F) -> F:
            if "registry" in self.__dict__:
                raise FuncatronError(f"the service {name!r} comes too late: handlers are bound already")
            self.services.register(name, factory)
            return factory

        return register

    def standing_in(
        self,
        *,
        store: ExecutionStore,
        dispatcher: Dispatcher,
        clock: Clock = SYSTEM_CLOCK,
        settings: Settings | None = None,
        clouds: Clouds | None = None,
    ) -> Funcatron:
        """Return another application with the documents, handlers, services and middleware of this one, and these
        parts in place of its own, for tests: nothing that this one has is opened, started or changed.
        """
        other = copy.copy(self)
        for name in [name for name, value in vars(Funcatron).items() if isinstance(value, part)]:
            other.__dict__.pop(name, None)
        made = {"_lock": threading.RLock(), "_door": None, "_lease": None, "services": self.services.copy()}
        given = {"_given_store": store, "_given_dispatcher": dispatcher, "_clouds": clouds, "clock": clock}
        vars(other).update(made, **given, settings=settings or self.settings)
        return other

    @part
    def registry(self) -> Registry:
        """The functions, bound to their handlers; raises SpecError with every mistake, FuncatronError where services
        cannot be opened.
        """
        self.services.check()
        own = build_registry(
            self.documents,
            handlers=self.handlers,
            services=self.services,
            validate_responses=self.settings.validate_responses,
            clouds=self._clouds or clouds_of(self.settings),
        )
        if not any(function.operation.callbacks for function in own):
            return own
        from funcatron.callbacks import deliverer

        document = load(Path(str(files("funcatron_openapi"))) / "callbacks.yaml")
        internal = build_registry([document], handlers={"funcatron.callbacks.deliver": deliverer(self.settings)})
        return own.with_internal(internal)

    @part
    def store(self) -> ExecutionStore:
        """Where executions are kept, as ``settings.store`` names it."""
        if self._given_store is not None:
            return self._given_store
        url = self.settings.store_url
        made: ExecutionStore = plugins.load("funcatron.stores", url.partition(":")[0])(url)
        return made

    def owner(self) -> str:
        """Return the id of the lease by which those who share the store know that this process lives; it is taken on
        first use. Raises Unavailable.
        """
        with self._lock:
            if self._lease is None or not self._lease.held:
                self._lease = self.store.lease()
            return self._lease.id

    @part
    def dispatcher(self) -> Dispatcher:
        """What makes accepted executions durable and published, as ``settings.broker`` names it; started."""
        if self._given_dispatcher is not None:
            return self._given_dispatcher
        scheme = self.settings.broker_url.partition(":")[0]
        made: Dispatcher = plugins.load("funcatron.dispatchers", scheme)(self.settings, self.store)
        made.start()
        return made

    @part
    def calls(self) -> Calls:
        """Where sync handlers run."""
        return self._calls or ThreadCalls(self.settings.threads, waiting=self.settings.max_queued)

    @part
    def invoker(self) -> Invoker:
        """The middle of every door."""
        return Invoker(services=self.services, calls=self.calls, middleware=self._middleware, clock=self.clock)

    @part
    def runner(self) -> Runner:
        """Runs executions from the store, for workers."""
        finish_later: FinishLater | None = getattr(self.store, "finish_later", None)
        return Runner(
            registry=self.registry,
            store=self.store,
            invoker=self.invoker,
            alive=self.store.alive,
            killed=lambda worker: worker in self.killed,
            ended=Endings(self.registry, self.dispatcher, self.clock).after,
            publish=self.dispatcher.republish,
            finish_later=finish_later,
            redacted=self.settings.redact,
            clock=self.clock,
        )

    @part
    def killed(self) -> Killed:
        """The workers of this machine that were killed because what they ran did not end in its time."""
        return Killed(Path(self.settings.data_dir).resolve() / "killed")

    @part
    def triggers(self) -> list[BoundTrigger]:
        """Every trigger of every function, none of them started."""
        return bound_triggers(self.registry, self.settings)

    async def start(self) -> None:
        """Bind handlers, open store and broker. Safe to call twice."""
        await asyncio.to_thread(self._start)

    def _start(self) -> None:
        with self._lock:
            _ = self.registry
            if self._has_later():
                _ = self.dispatcher

    def _has_later(self) -> bool:
        """Whether anything can come that must be stored: async functions, triggers, records."""
        return any(f.extension.mode == "async" or f.extension.triggers or f.extension.record for f in self.registry)

    async def stop(self) -> None:
        """Publish what was accepted, close the store and what services keep open."""
        await self.services.aclose()
        await asyncio.to_thread(self.close)

    def close(self) -> None:
        """Stop, for callers that are not on an event loop."""
        with self._lock:
            if (dispatcher := self.__dict__.pop("dispatcher", None)) is not None:
                dispatcher.stop()
            if isinstance(calls := self.__dict__.pop("calls", None), ThreadCalls):
                calls.close()
            self.services.close()
            lease, self._lease = self._lease, None
            if lease is not None:
                lease.release()
            if (store := self.__dict__.pop("store", None)) is not None and store is not self._given_store:
                store.close()
            for made in ("invoker", "runner"):
                self.__dict__.pop(made, None)

    @property
    def acceptance(self) -> Acceptance:
        """What makes events' calls durable."""
        return Acceptance(self.store, self.dispatcher, self.settings.max_message, self.clock)

    # The two verbs

    async def invoke(
        self,
        function: str | Function,
        arguments: Mapping[str, Any] | None = None,
        *,
        trigger: str = "http",
        execution_id: str | None = None,
        headers: Mapping[str, str] | None = None,
        principal: Principal | None = None,
        extras: Mapping[str, Any] | None = None,
        event: CloudEvent | None = None,
        checked: bool = False,
    ) -> Result:
        """Call a function now, in this process, and return what it came to; never raises for what the call did.

        ``arguments`` are by document or snake_case name, the body under ``body``, unless they are ``checked`` already.
        """
        found = function if isinstance(function, Function) else self.registry.get(function)
        execution_id = execution_id or new_id()
        given = arguments or {}
        created = self.clock.time()
        try:
            bound = given if checked else found.binder.from_call(given)
        except (Problem, FuncatronError) as error:
            return refusal(error, execution_id, found.name)
        timeout = found.extension.timeout
        invocation = Invocation(
            id=execution_id,
            function=found.name,
            trigger=trigger,
            arguments=bound,
            event=event,
            deadline=self.clock.monotonic() + timeout if timeout else None,
            headers=headers or {},
            principal=principal,
            extras=extras or {},
        )
        if found.extension.record:
            return await self._invoke_on_record(found, invocation, created)
        return await self.invoker.invoke(found, invocation)

    async def _invoke_on_record(self, function: Function, invocation: Invocation, created: float) -> Result:
        """Invoke, then keep a record; what was done stays done where the store is out of reach."""
        secrets = {function.binder.arguments.get((p.location, p.name)) for p in function.operation.secrets}
        kept = {name: value for name, value in invocation.arguments.items() if name not in secrets}
        keep = partial(encode_input, kept, strict=False)  # before: files are closed and bodies changed after
        stored = await asyncio.to_thread(keep) if function.operation.body is not None else keep()
        result = await self.invoker.invoke(function, invocation)
        record = record_of_sync_call(function, invocation, stored, result, (created, self.clock.time()))
        try:
            await asyncio.to_thread(self.store.create, [record])
        except Unavailable as error:
            logger.error("the call %s of %s is not on record: %s", invocation.id, function.name, error)
        return result

    async def dispatch(
        self,
        function: str | Function,
        arguments: Mapping[str, Any] | None = None,
        *,
        trigger: str = "async",
        headers: Mapping[str, str] | None = None,
        principal: Principal | None = None,
        execution_id: str | None = None,
        checked: bool = False,
    ) -> tuple[Execution, bool]:
        """Call a function later: check, store, publish; returns the record and whether it is new.

        ``execution_id`` is a new UUID where none is given; with one that is on record already nothing is dispatched.

        Raises InvalidInput, Problem (413 where the record would be larger than ``max_message``) and Unavailable; then
        nothing was accepted.
        """
        found = function if isinstance(function, Function) else self.registry.get(function)
        given = arguments or {}
        bound = given if checked else found.binder.from_call(given)
        limit = self.settings.max_message
        now = self.clock.time()
        record = record_of_call(found, bound, trigger, limit, now=now, headers=headers, principal=principal)
        if execution_id is not None:
            record = msgspec.structs.replace(record, id=execution_id)
        if await self.dispatcher.dispatch(record):
            return record, True
        return await asyncio.to_thread(self.acceptance.existing, record), False

    def publish(
        self,
        event: CloudEvent,
        *,
        function: str | None = None,
        trigger: str = "event",
        mapping: Mapping[str, Any] | None = None,
    ) -> list[Execution]:
        """Give an event to ``function``, or to every function that it concerns by one of its triggers.

        Blocks until it is durable; returns the executions, those that exist already (same source, id and function)
        included. Raises InvalidInput (what no record can keep), Problem (413) and Unavailable; then nothing of it was
        accepted.
        """
        if function is not None:
            return self.acceptance.submit([EventCall(self.registry.get(function), event, trigger, mapping or {})])
        wanted = subscribers(self.triggers, event)
        return self.acceptance.submit([EventCall(to.function, its, to.kind, to.mapping) for to, its in wanted])

    async def apublish(
        self,
        event: CloudEvent,
        *,
        function: str | None = None,
        trigger: str = "event",
        mapping: Mapping[str, Any] | None = None,
    ) -> list[Execution]:
        """As ``publish``, without blocking the event loop."""
        return await asyncio.to_thread(
            partial(self.publish, event, function=function, trigger=trigger, mapping=mapping)
        )

    def show(self, execution: Execution, history: Sequence[Attempt] | None = None) -> dict[str, Any]:
        """Return a record as the control API shows it, redacted; with its ``history`` if that is given."""
        shown = execution.to_json(CONTROL)
        if history is not None:
            shown["history"] = [attempt.to_json() for attempt in history]
        return redact_record(shown, self.settings.redact)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Serve ASGI: HTTP and lifespan."""
        if self._door is None:
            with self._lock:
                if self._door is None:
                    from funcatron.http import build_door

                    self._door = build_door(self)
        await self._door(scope, receive, send)
