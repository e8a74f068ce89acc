"""AMQP properties that py-amqp cannot read: such a message is taken without them, and says so.

py-amqp reads a message's properties while it waits for messages. What RabbitMQ carried without a word (text that is not
UTF-8, times beyond the calendar, tables a thousand deep) raises there, far from any message: the worker ends or
connects anew, the message comes again, for ever. So its properties are replaced by one header that says what was wrong.
Source: AMQP 0-9-1, sections 2.3.5.2 (content header frames) and 4.2.5.5 (field tables).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from struct import unpack_from
from typing import Any

import amqp
from amqp import method_framing
from amqp.basic_message import Message

__all__ = ["UNREADABLE", "frame_handler"]

logger = logging.getLogger("funcatron.worker")

UNREADABLE = "x-funcatron-unreadable"
"""The header that stands in place of properties that could not be read; its value says why."""
HEADER = 2  # the type of content header frames
FIXED = 12  # bytes of such a frame before the properties: class, weight, size of the body

Frame = tuple[int, int, bytes]


class _FrameHandler:
    """As py-amqp's own ``frame_handler``, and more: ``celery inspect stats`` shows the options of connections."""

    def __call__(self, connection: Any, callback: Callable[..., None]) -> Callable[[Frame], bool]:
        """Return what py-amqp calls with each frame, for its Connection's argument ``frame_handler``."""
        handle: Callable[[Frame], bool] = method_framing.frame_handler(connection, callback)

        def on_frame(frame: Frame) -> bool:
            kind, channel, content = frame
            if kind != HEADER:
                return handle(frame)
            if not _has_body(content):  # its consumer is called within ``handle``, and may raise as well
                return handle((kind, channel, _readable(content)))
            try:
                return handle(frame)
            except (Exception, RecursionError) as error:  # noqa: BLE001 - whatever a reader of foreign bytes may raise
                return handle((kind, channel, _replaced(content, error)))

        return on_frame

    def __json__(self) -> str:
        """What kombu writes in its place: a function could not be written, and nobody would get the statistics."""
        return f"{__name__}.frame_handler"


frame_handler = _FrameHandler()
"""What the connections to RabbitMQ read frames by."""


def _has_body(content: bytes) -> bool:
    (size,) = unpack_from(">Q", content, FIXED - 8)
    return bool(size)


def _readable(content: bytes) -> bytes:
    try:
        Message().inbound_header(content)
    except (Exception, RecursionError) as error:  # noqa: BLE001 - as above
        return _replaced(content, error)
    return content


def _replaced(content: bytes, error: BaseException) -> bytes:
    said = f"{type(error).__name__}: {error}"[:500]
    logger.warning("the properties of a message cannot be read: %s", said)
    properties: bytes = amqp.Message(application_headers={UNREADABLE: f"properties: {said}"})._serialize_properties()  # noqa: SLF001
    return bytes(content[:FIXED]) + properties
