from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from funcatron.errors import SettingsError
from funcatron.settings import Settings, load_settings


def load(folder: Path, environ: dict[str, str] | None = None, **given: Any) -> Settings:
    return load_settings(given, environ=environ or {}, folder=folder)


def test_nothing_given_is_the_defaults(tmp_path: Path) -> None:
    assert load(tmp_path) == Settings()


def test_the_later_source_wins(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.funcatron]\nport = 1\nworkers = 1\nthreads = 1\nprocesses = 1\n")
    (tmp_path / "funcatron.toml").write_text("port = 2\nworkers = 2\nthreads = 2\n")
    settings = load(tmp_path, {"FUNCATRON_PORT": "3", "FUNCATRON_WORKERS": "3"}, port=4)
    assert (settings.port, settings.workers, settings.threads, settings.processes) == (4, 3, 2, 1)


def test_none_is_as_if_absent(tmp_path: Path) -> None:
    assert load(tmp_path, {"FUNCATRON_PORT": "3"}, port=None).port == 3


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("port", "80", 80),
        ("keep", "60", 60.0),
        ("swagger_ui", "false", False),
        ("swagger_ui", "1", True),
        ("queues", "a, b,,c ", ("a", "b", "c")),
        ("queues", "", ()),
        ("control_token", "123", "123"),
        ("broker", "amqp://guest@localhost", "amqp://guest@localhost"),
        ("cloud", "", ""),
    ],
)
def test_the_environment_is_text(tmp_path: Path, name: str, text: str, value: Any) -> None:
    assert getattr(load(tmp_path, {f"FUNCATRON_{name.upper()}": text}), name) == value


def test_lists_and_dashes_in_files(tmp_path: Path) -> None:
    (tmp_path / "funcatron.toml").write_text('queues = ["a", "b"]\ndata-dir = "elsewhere"\n')
    settings = load(tmp_path)
    assert (settings.queues, settings.data_dir) == (("a", "b"), "elsewhere")


def test_variables_of_others_are_left_alone(tmp_path: Path) -> None:
    assert load(tmp_path, {"FUNCATRON_SOMETHING_ELSE": "1", "PORT": "1", "funcatron_port": "1"}) == Settings()


def test_a_misspelt_variable_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    others = {"FUNCATRON_SECRETS_OF_OTHERS": "1", "FUNCATRON_KEEPER_KEY": "1", "FUNCATRON_GITHUB": "1"}
    assert load(tmp_path, {"FUNCATRON_PROT": "1", **others}) == Settings()
    assert caplog.messages == ["the environment: FUNCATRON_PROT is no setting; did you mean FUNCATRON_PORT?"]


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("funcatron.toml", "prot = 1", r"funcatron\.toml: unknown setting 'prot'; did you mean 'port'\\?"),
        ("funcatron.toml", "zzz = 1", r"funcatron\.toml: unknown setting 'zzz'; known are broker, "),
        ("funcatron.toml", "port = 'many'", r"funcatron\.toml: port is 'many'"),
        ("funcatron.toml", "port = ", r"funcatron\.toml: Invalid value"),
        ("pyproject.toml", "[tool.funcatron]\nport = true", r"pyproject\.toml \[tool\.funcatron\]: port is True"),
        ("pyproject.toml", "[tool]\nfuncatron = 1", r"pyproject\.toml.*table"),
    ],
)
def test_a_mistake_in_a_file_is_named(tmp_path: Path, file: str, content: str, message: str) -> None:
    (tmp_path / file).write_text(content)
    with pytest.raises(SettingsError, match=message):
        load(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PORT", "many", "the environment: FUNCATRON_PORT is 'many'"),
        ("PORT", "70000", "FUNCATRON_PORT is .70000"),
        ("PORT", "-1", "FUNCATRON_PORT is .-1"),
        ("PROCESSES", "0", "FUNCATRON_PROCESSES is .0"),
        ("WORKERS", "-1", "FUNCATRON_WORKERS is .-1"),
        ("THREADS", "0", "FUNCATRON_THREADS is .0"),
        ("CONCURRENCY", "0", "FUNCATRON_CONCURRENCY is .0"),
        ("SHUTDOWN_TIMEOUT", "-1", "FUNCATRON_SHUTDOWN_TIMEOUT is .-1"),
        ("MAX_MESSAGE", "0", "FUNCATRON_MAX_MESSAGE is .0"),
        ("DURABILITY", "loose", "FUNCATRON_DURABILITY is 'loose'.*"),
        ("LOG_LEVEL", "loud", "FUNCATRON_LOG_LEVEL is 'loud'"),
        ("SWAGGER_UI", "perhaps", "FUNCATRON_SWAGGER_UI is 'perhaps'"),
        ("STORE", "file.db", "store must be a URL such as sqlite:///file.db"),
        ("BROKER", "localhost", "broker must be a URL"),
    ],
)
def test_a_mistake_in_the_environment_is_named(tmp_path: Path, name: str, value: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load(tmp_path, {f"FUNCATRON_{name}": value})


def test_a_secret_is_not_in_the_message(tmp_path: Path) -> None:
    (tmp_path / "funcatron.toml").write_text("control_token = 12345678\n")
    with pytest.raises(SettingsError) as raised:
        load(tmp_path)
    assert "12345678" not in str(raised.value)


def test_secrets_are_not_shown() -> None:
    shown = repr(Settings(control_token="s3cret", callback_secret="whsec_s3cret", broker="amqp://me:s3cret@host"))
    assert "s3cret" not in shown


def test_secrets_have_names_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "funcatron.toml").write_text('[secrets]\nshop-key = "s3cret"\nOTHER = "0ther"\nEMPTY = ""\n')
    settings = load(tmp_path, {"FUNCATRON_THIRD": "not read here"})
    assert [settings.secret(name) for name in ("SHOP_KEY", "shop-key", "other", "none", "empty")] == [
        "s3cret", "s3cret", "0ther", None, None,
    ]  # fmt: skip
    monkeypatch.setenv("FUNCATRON_OTHER", "newer")
    assert settings.secret("OTHER") == settings.secret("FUNCATRON_OTHER") == "newer"
    assert "s3cret" not in repr(settings)
    with pytest.raises(SettingsError, match="secrets is not what it should be") as raised:
        load(tmp_path, {}, secrets={"a": ["s3cret"]})
    assert "s3cret" not in str(raised.value)


def test_the_command_line_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="the command line: port is 'x'"):
        load(tmp_path, port="x")


def test_the_store_is_in_the_data_dir_and_is_the_broker(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path))
    assert settings.store_url == f"sqlite:///{tmp_path}/funcatron.db"
    assert settings.broker_url == settings.store_url
    assert settings.embedded


def test_a_broker_beside_the_store_is_not_embedded() -> None:
    settings = Settings(broker="amqp://localhost")
    assert settings.broker_url == "amqp://localhost"
    assert not settings.embedded


def test_only_a_sqlite_store_is_its_own_broker() -> None:
    with pytest.raises(SettingsError, match="set FUNCATRON_BROKER"):
        Settings(store="postgresql://localhost/x").broker_url  # noqa: B018


def test_a_store_given_with_a_relative_path_is_one_file_for_all(tmp_path: Path) -> None:
    assert Settings(store="sqlite:///x.db").store_url == Settings(store="sqlite:///x.db").broker_url


def test_settings_are_frozen() -> None:
    with pytest.raises(AttributeError):
        Settings().port = 1  # type: ignore[misc]


def test_a_struct_travels_between_processes() -> None:
    settings = Settings(queues=("a",), keep=1.5)
    assert msgspec.json.decode(msgspec.json.encode(settings), type=Settings) == settings
