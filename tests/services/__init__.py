"""Real services for tests: private instances, on ports and in folders of their own, gone with the tests."""

from __future__ import annotations

from tests.services.openstack import OpenStack, Swift, mini, openstack
from tests.services.postgresql import POSTGRESQL, PostgreSQL, database, postgresql, private_postgresql
from tests.services.rabbitmq import SERVER, RabbitMQ, rabbitmq, rabbitmq_is_here
from tests.services.redis import redis

__all__ = [
    "POSTGRESQL",
    "SERVER",
    "OpenStack",
    "PostgreSQL",
    "RabbitMQ",
    "Swift",
    "database",
    "mini",
    "openstack",
    "postgresql",
    "private_postgresql",
    "rabbitmq",
    "rabbitmq_is_here",
    "redis",
]
