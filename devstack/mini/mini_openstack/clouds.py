"""What clients of the stack need: clouds.yaml and a few variables."""

from __future__ import annotations

import json
import shlex

from mini_openstack.broker import amqp_url
from mini_openstack.layout import Layout, Ports

__all__ = ["PASSWORD", "USERS", "exports", "write_clouds"]

PASSWORD = "secret"
USERS = {
    "admin": ("admin", "admin"),
    "demo": ("demo", "demo"),
    "alt": ("alt", "alt"),
    "service": ("funcatron", "service"),
}
"""Clouds of clouds.yaml, each with its user and project."""


def write_clouds(layout: Layout, ports: Ports) -> None:
    """Write clouds.yaml (JSON is YAML too)."""
    clouds = {
        cloud: {
            "auth": {
                "auth_url": f"http://127.0.0.1:{ports.keystone}/v3",
                "username": user,
                "password": PASSWORD,
                "project_name": project,
                "user_domain_name": "Default",
                "project_domain_name": "Default",
            },
            "region_name": "RegionOne",
            "identity_api_version": "3",
        }
        for cloud, (user, project) in USERS.items()
    }
    layout.clouds.write_text(json.dumps({"clouds": clouds}, indent=2) + "\n")


def exports(layout: Layout, ports: Ports) -> dict[str, str]:
    """Return the environment of a client: whose cloud, and where the notifications are."""
    return {
        "OS_CLIENT_CONFIG_FILE": str(layout.clouds),
        "OS_CLOUD": "demo",
        "FUNCATRON_NOTIFICATIONS": amqp_url(ports),
    }


def as_shell(variables: dict[str, str]) -> str:
    """Return the variables as lines for ``eval``."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
