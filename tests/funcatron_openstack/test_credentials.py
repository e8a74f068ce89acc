"""What is read of clouds.yaml, and what of it others get to see. (What Keystone says to it: tests/integration.)"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from keystoneauth1.access import AccessInfoV3
from openstack.connection import Connection

from funcatron.errors import SettingsError
from funcatron.invocation import Invocation
from funcatron.settings import Settings
from funcatron_openstack.cloud import connect, connection_for
from funcatron_openstack.credentials import Cloud, TokenOnly, _credentials, public_region

SECRET = "s3rv1ce-p4ssw0rd"
CLOUDS = f"""
clouds:
  service:
    auth: {{auth_url: "http://127.0.0.1:9/v3", username: funcatron, password: {SECRET}, project_name: service,
            user_domain_name: Default, project_domain_name: Default}}
    region_name: RegionOne
    api_timeout: 7
    object_store_api_version: "1"
  robot:
    auth_type: v3applicationcredential
    auth: {{auth_url: "http://127.0.0.1:9/v3", application_credential_id: abc, application_credential_secret: {SECRET}}}
  other:
    auth: {{auth_url: "http://127.0.0.1:9/v3", username: other, password: "{SECRET}2", project_name: p}}
  nothing:
    auth_type: none
    auth: {{endpoint: "http://127.0.0.1:9"}}
  odd:
    auth_type: v3nonsense
    auth: {{auth_url: "http://127.0.0.1:9/v3"}}
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    made = tmp_path / "clouds.yaml"
    made.write_text(CLOUDS)
    return str(made)


def cloud(file: str, name: str = "service", trust: str | None = None) -> Cloud:
    return Cloud(name, trust, (file,), (file + ".none",))


def test_the_settings_name_the_cloud(file: str) -> None:
    settings = Settings(cloud="service", clouds_file=file, clouds_secure_file="/s")
    assert Cloud.of(settings) == Cloud("service", None, (file,), ("/s",))
    assert Cloud.of(settings, name="robot", trust="t") == Cloud("robot", "t", (file,), ("/s",))
    with pytest.raises(SettingsError, match="OS_CLOUD"):
        Cloud.of(Settings())


@pytest.mark.parametrize(
    ("name", "trust", "message"),
    [
        ("absent", None, r"no cloud 'absent' in .*clouds.yaml; there are: nothing, odd, other, robot, service"),
        ("nothing", None, "gets no tokens"),
        ("odd", None, "'odd' cannot be used"),
        ("robot", "t", "cannot act by a trust"),
    ],
)
def test_a_cloud_that_cannot_be_used_is_explained(file: str, name: str, trust: str | None, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        connect(cloud(file, name, trust))
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("content", [f"clouds: [{SECRET}", "clouds: {a: {profile: nonsense}}", "[]", "\x00"])
def test_a_file_that_cannot_be_read_is_not_quoted(tmp_path: Path, content: str) -> None:
    file = tmp_path / "clouds.yaml"
    file.write_text(content)
    with pytest.raises(SettingsError) as caught:
        connect(Cloud("a", None, (str(file),), (str(file) + ".none",)))
    assert SECRET not in str(caught.value)


def test_no_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="not found"):
        connect(Cloud("a", None, (str(tmp_path / "none"),), (str(tmp_path / "none"),)))


def test_credentials_in_the_environment_are_not_mixed_in(file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"OS_CLOUD": "other", "OS_PASSWORD": "x", "OS_USERNAME": "y", "OS_AUTH_URL": "http://z"}.items():
        monkeypatch.setenv(name, value)
    region = public_region(cloud(file), 1)
    assert region.name == "service"
    assert region.get_session().auth.auth_url == "http://127.0.0.1:9/v3"


def test_one_connection_for_each_cloud(file: str) -> None:
    made = connect(cloud(file))
    assert connect(cloud(file)) is made
    assert connect(cloud(file, "other")) is not made
    assert connect(cloud(file, trust="t")) is not made
    settings = Settings(cloud="service", clouds_file=file, clouds_secure_file=file + ".none")
    assert connection_for(settings, Invocation(id="i", function="f", trigger="event", arguments={})) is made


def test_a_forked_child_makes_its_own(file: str) -> None:
    made = connect(cloud(file))
    child = os.fork()
    if child == 0:
        os._exit(0 if connect(cloud(file)) is not made else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_connection_keeps_what_clouds_yaml_says(file: str) -> None:
    made = connect(cloud(file))
    assert made.config.region_name == "RegionOne"
    assert made.config.get_api_version("object-store") == "1"
    assert made.session.timeout == 7
    assert connect(cloud(file, "robot")).session.timeout == 60


@pytest.mark.parametrize("given", [("service", None), ("service", "trust"), ("robot", None)])
def test_no_password_is_in_reach_of_a_connection(file: str, given: tuple[str, str | None]) -> None:
    made = connect(cloud(file, *given))
    seen = list(reachable(made))
    assert any(isinstance(item, TokenOnly) for item in seen)
    assert [item for item in seen if isinstance(item, str | bytes) and SECRET in str(item)] == []
    assert SECRET not in repr(made) + repr(made.config.config) + repr(made.session.auth.__dict__)
    assert SECRET not in "".join(os.environ.values())
    assert SECRET not in repr(Settings(cloud="service", clouds_file=file))


def test_the_search_for_a_password_finds_one(file: str) -> None:
    """The test above could fail: a Connection as openstacksdk makes it has the password."""
    with_it = Connection(config=_credentials(cloud(file), os.getpid()).region)
    assert any(SECRET in item for item in reachable(with_it) if isinstance(item, str))


def test_threads_that_are_refused_at_once_have_one_token_made(file: str) -> None:
    auth = TokenOnly(cloud(file))
    auth.auth_ref = first = AccessInfoV3({"token": {"expires_at": "2100-01-01T00:00:00Z"}}, "token")
    auth._made = time.monotonic()
    assert auth.invalidate()  # another thread's, made for the same refusal
    assert auth.auth_ref is first
    auth._made -= 2
    assert auth.invalidate()
    assert auth.auth_ref is None


def reachable(start: Any) -> Iterator[Any]:
    """Yield what attributes, items, closures and bound methods lead to; modules and classes are not entered."""
    seen: set[int] = set()
    stack = [start]
    while stack:
        item = stack.pop()
        if id(item) in seen or isinstance(item, type(os) | type):
            continue
        seen.add(id(item))
        yield item
        if isinstance(item, dict):
            stack += [*item.keys(), *item.values()]
        elif isinstance(item, list | tuple | set | frozenset):
            stack += item
        slots = [name for cls in type(item).__mro__ for name in getattr(cls, "__slots__", ())]
        stack += list(getattr(item, "__dict__", {}).values())
        stack += [getattr(item, name) for name in slots if hasattr(item, name)]
        stack += [cell.cell_contents for cell in getattr(item, "__closure__", None) or ()]
        stack += [getattr(item, name) for name in ("__self__", "__func__", "__wrapped__") if hasattr(item, name)]
