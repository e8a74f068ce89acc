"""The DevStack plugin, every phase of it, in a folder of its own: DevStack's functions are stood in for by stubs.sh."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "devstack"
STUBS = Path(__file__).with_name("stubs.sh")
SCRIPTS = [PLUGIN / name for name in ("settings", "override-defaults", "plugin.sh", "lib/funcatron")]

PROXY = """\
[DEFAULT]
bind_port = 8080
[pipeline:main]
pipeline = catch_errors gatekeeper listing_formats bulk tempurl authtoken keystoneauth copy slo dlo {last} proxy-server
[app:proxy-server]
use = egg:swift#proxy
"""
PHASES = ("stack pre-install", "stack install", "stack post-config", "stack extra", "stack test-config")


class Host:
    """A host that is stacked."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        self.proxy = folder / "swift" / "proxy-server.conf"
        self.calls = folder / "calls"
        self.conf = folder / "etc"
        self.venv = folder / "data" / "funcatron-venv"
        self._variables = variables
        self.proxy.parent.mkdir()

    def run(self, *phases: str) -> subprocess.CompletedProcess[str]:
        """Run the phases as DevStack does: in one shell, after override-defaults, lib/swift and settings."""
        given = {
            "DEST": str(self.folder),
            "DATA_DIR": str(self.folder / "data"),
            "FUNCATRON_CONF_DIR": str(self.conf),
            "SWIFT_CONF_DIR": str(self.proxy.parent),
            "CALLS": str(self.calls),
            "STACK_USER": "$(id -un)",
            "SERVICE_HOST": "10.0.0.5",
            "SERVICE_PASSWORD": 'se"cr: #et',
            "SERVICE_PROJECT_NAME": "service",
            "SERVICE_DOMAIN_NAME": "Default",
            "REGION_NAME": "RegionOne",
            "KEYSTONE_SERVICE_URI": "http://10.0.0.5/identity",
            "ENABLED_SERVICES": "s-proxy,key,rabbit,funcatron-serve,funcatron-worker,funcatron-triggers",
            **self._variables,
        }
        lines = [
            "set -euo pipefail",
            f"source {STUBS}",
            *(f"{name}={value}" if value.startswith("$(") else f"{name}='{value}'" for name, value in given.items()),
            f"source {PLUGIN}/override-defaults",
            f"PROXY='{PROXY}'",
            f'[ -e {self.proxy} ] || echo "${{PROXY/{{last\\}}/${{SWIFT_EXTRAS_MIDDLEWARE_LAST:-}}}}" > {self.proxy}',
            f"source {PLUGIN}/settings",
            *(f"source {PLUGIN}/plugin.sh {phase}" for phase in phases),
        ]
        return subprocess.run(["bash", "-c", "\n".join(lines)], capture_output=True, text=True, check=False)

    def called(self, name: str) -> list[str]:
        """Return the arguments of the calls of one of DevStack's functions."""
        calls = [line.partition(" ") for line in self.calls.read_text().splitlines()]
        return [arguments for called, _, arguments in calls if called == name]

    @property
    def swift(self) -> configparser.RawConfigParser:
        """The proxy server's configuration."""
        parser = configparser.RawConfigParser(strict=False)
        parser.read(self.proxy)
        return parser

    def setting(self, name: str) -> str:
        """Return a setting of funcatron's, as a shell reads it."""
        script = f'. {self.conf}/environment; printf %s "${name}"'
        return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_what_bash_and_shellcheck_say(script: Path, required_in_ci: Callable[[str], NoReturn]) -> None:
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    if (shellcheck := shutil.which("shellcheck")) is None:
        required_in_ci("shellcheck is not installed (apt-get install shellcheck)")
    checked = subprocess.run(
        [shellcheck, "-x", "-s", "bash", script], cwd=PLUGIN, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout


def test_from_nothing_to_a_service_and_back(tmp_path: Path) -> None:
    host = Host(tmp_path)
    done = host.run(*PHASES)
    assert done.returncode == 0, done.stderr
    assert host.called("python3") == [f"-m venv {host.venv}"]
    assert host.called("pip") == [f"install --editable {tmp_path}/funcatron[openstack]"]
    assert host.called("pip_install_gr") == ["ceilometermiddleware"]
    assert host.called("create_service_user") == ["funcatron admin"]
    assert host.called("run_process") == [
        f"funcatron-{part} {host.conf}/run {part}" for part in ("serve", "worker", "triggers")
    ]
    assert host.called("wait_for_service") == ["60 http://10.0.0.5:8780/_funcatron/health/live"]
    assert host.setting("FUNCATRON_NOTIFICATIONS") == "amqp://stackrabbit:secret@127.0.0.1:5672/"
    assert len(host.setting("FUNCATRON_CONTROL_TOKEN")) == 32
    assert oct((host.conf / "environment").stat().st_mode & 0o777) == "0o600"

    done = host.run("unstack", "clean")
    assert done.returncode == 0, done.stderr
    assert len(host.called("stop_process")) == 2 * 3
    assert not host.conf.exists()
    assert not list((tmp_path / "data").iterdir())


def test_the_filter_is_that_of_the_mini_stack(tmp_path: Path) -> None:
    host = Host(tmp_path)
    assert host.run(*PHASES[:3]).returncode == 0
    shipped = configparser.RawConfigParser()
    shipped.read(PLUGIN / "notifications.conf")
    (section,) = shipped.sections()
    expected = dict(shipped[section]) | {
        "url": "rabbit://stackrabbit:secret@127.0.0.1:5672/",
        "extra_config_files": str(host.proxy.parent / "notifications-oslo.conf"),
    }
    assert dict(host.swift[section]) == expected | dict(host.swift.defaults())
    assert host.swift["pipeline:main"]["pipeline"].split()[-2:] == [section.removeprefix("filter:"), "proxy-server"]
    assert (host.proxy.parent / "notifications-oslo.conf").exists()


def test_early_it_stands_behind_listing_formats(tmp_path: Path) -> None:
    host = Host(tmp_path, FUNCATRON_NOTIFICATIONS_PLACEMENT="early")
    assert host.run(*PHASES[:3]).returncode == 0
    pipeline = host.swift["pipeline:main"]["pipeline"].split()
    assert pipeline.count("funcatron_notifications") == 1
    assert pipeline[pipeline.index("listing_formats") + 1] == "funcatron_notifications"


def test_swift_may_be_left_alone(tmp_path: Path) -> None:
    host = Host(tmp_path, FUNCATRON_NOTIFICATIONS_PLACEMENT="none")
    assert host.run(*PHASES).returncode == 0
    assert "funcatron" not in host.proxy.read_text()
    assert host.called("pip_install_gr") == []
    assert host.setting("FUNCATRON_NOTIFICATIONS") == ""


def test_a_pipeline_that_has_no_place_for_it_is_refused(tmp_path: Path) -> None:
    host = Host(tmp_path, FUNCATRON_NOTIFICATIONS_PLACEMENT="early")
    host.proxy.write_text(PROXY.replace("listing_formats", "").format(last=""))
    done = host.run(*PHASES[:3])
    assert done.returncode == 1
    assert "is not in the pipeline" in done.stderr


def test_without_rabbitmq_it_says_what_to_do(tmp_path: Path) -> None:
    services = "s-proxy,key,funcatron-serve,funcatron-worker,funcatron-triggers"
    done = Host(tmp_path, ENABLED_SERVICES=services).run(*PHASES[:3])
    assert done.returncode == 1
    assert "FUNCATRON_NOTIFICATIONS_PLACEMENT=none" in done.stderr


def test_behind_tls_proxy_the_clouds_authority_is_devstacks(tmp_path: Path) -> None:
    bundle = tmp_path / "ca-bundle.pem"
    bundle.touch()
    host = Host(tmp_path, SSL_BUNDLE_FILE=str(bundle))
    assert host.run(*PHASES[:3]).returncode == 0
    clouds = yaml.safe_load((host.conf / "clouds.yaml").read_text())["clouds"]
    assert clouds["funcatron"]["cacert"] == str(bundle)
    assert clouds["funcatron"]["auth"]["password"] == 'se"cr: #et'


def test_who_did_not_enable_it_is_left_alone(tmp_path: Path) -> None:
    host = Host(tmp_path, ENABLED_SERVICES="s-proxy,key")
    assert host.run(*PHASES, "unstack", "clean").returncode == 0
    assert host.called("run_process") == []
    assert not host.conf.exists()


def test_settings_are_given_on_as_they_are(tmp_path: Path) -> None:
    host = Host(tmp_path, FUNCATRON_BROKER="amqp://u:p$1&2@broker//", FUNCATRON_SPEC="/a.yaml,/b.yaml")
    assert host.run(*PHASES[:3]).returncode == 0
    assert host.setting("FUNCATRON_BROKER") == "amqp://u:p$1&2@broker//"
    script = (host.conf / "run").read_text().replace(f"exec {host.venv}/bin/funcatron", "echo")
    run = subprocess.run(["bash", "-c", script, "run", "serve"], capture_output=True, text=True, check=True)
    assert run.stdout == "serve /a.yaml /b.yaml\n"
