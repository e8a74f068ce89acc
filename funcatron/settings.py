"""Settings: the one place that reads the environment and configuration files.

Order, the later wins: defaults, ``[tool.funcatron]`` of pyproject.toml, ``funcatron.toml``, ``FUNCATRON_*``
environment variables, what the command line gives. Read once, passed on as one frozen object. Before them all come
the variables by which every OpenStack client knows its cloud (``OS_CLOUD`` and where clouds.yaml is).
"""

from __future__ import annotations

import logging
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

import msgspec
from msgspec import Meta

from funcatron.errors import SettingsError
from funcatron.spelling import did_you_mean, nearest

__all__ = ["Limits", "Settings", "load_settings", "variable_of"]

logger = logging.getLogger("funcatron.settings")

PREFIX = "FUNCATRON_"
ENVIRONMENT = "the environment"
MISSPELT = 0.75
"""How much a variable must be like a setting's to be taken for a mistake: 1 is the same."""
MAY_BE_A_SECRET = ("key", "password", "secret", "token")
SECRETS = frozenset({"control_token", "callback_secret", "secrets"})
CLIENT_VARIABLES = {
    "cloud": "OS_CLOUD",
    "clouds_file": "OS_CLIENT_CONFIG_FILE",
    "clouds_secure_file": "OS_CLIENT_SECURE_FILE",
}
"""Settings that OpenStack's own clients read from these variables. The credentials that such variables may hold too
(``OS_PASSWORD``) are not read: the environment is open to every handler.
"""

Port: TypeAlias = Annotated[int, Meta(ge=0, le=65_535)]
Count: TypeAlias = Annotated[int, Meta(ge=0)]
Positive: TypeAlias = Annotated[int, Meta(ge=1)]
Seconds: TypeAlias = Annotated[float, Meta(ge=0)]


class Limits(NamedTuple):
    """The most bytes of a request body that is kept in memory, and of one that goes to disk or is read as it comes."""

    body: int
    upload: int


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every setting, with its default. Names are those of the command line's options and, in upper case after
    ``FUNCATRON_``, of the environment; sizes are bytes, times seconds.
    """

    spec: tuple[str, ...] = ()  # documents, for processes that get none by argument (celery -A funcatron_celery.app)
    overlay: tuple[str, ...] = ()  # OpenAPI Overlay documents that change the documents
    host: str = "127.0.0.1"
    port: Port = 8000  # 0: one that is free
    processes: Positive = 1  # HTTP server processes
    workers: Count = 1  # Celery worker processes
    threads: Positive = 40  # threads for sync handlers in each HTTP process and asyncio worker
    pool: Literal["solo", "prefork", "threads", "asyncio", "auto"] = "auto"
    concurrency: Positive | None = None  # per worker process, where the pool has any; default: asyncio 100, others 1
    broker: str | None = None  # sqlite:///FILE, amqp://, redis://; default: the store's file
    result_backend: str | None = None  # Celery's own, for Celery clients that wait for results; default: none
    store: str | None = None  # sqlite:///FILE, postgresql://; default: <data_dir>/funcatron.db
    data_dir: str = ".funcatron"
    cache: bool = True  # keep checked documents in the user's cache folder, for the next start
    durability: Literal["normal", "strict"] = "normal"
    queues: tuple[str, ...] = ()  # queues a worker consumes; empty: those of its functions
    max_message: Positive = 262_144  # the largest record of an async call or event
    max_body: Positive = 16 * 1024 * 1024  # the largest HTTP request body kept in memory
    max_upload: Positive | None = None  # the largest one with files, or that is read as one; default: max_body
    validate_responses: bool = True
    swagger_ui: bool = True
    control_token: str | None = None
    control_keystone: bool = False  # Keystone tokens open the control API, to the executions of their own project
    cloud: str | None = None  # entry of clouds.yaml; default OS_CLOUD
    clouds_file: str | None = None  # default OS_CLIENT_CONFIG_FILE, else where openstacksdk looks
    clouds_secure_file: str | None = None  # default OS_CLIENT_SECURE_FILE, else where openstacksdk looks
    token_cache: Seconds = 60.0  # how long a Keystone token that was found valid is not asked about again
    notifications: str | None = None
    shutdown_timeout: Seconds = 30.0  # how long running work may take to end on Ctrl-C
    max_queued: Positive = 10_000  # executions waiting to be stored in one HTTP process, before 503
    keep: Seconds = 7 * 86_400.0  # how long ended executions are kept, failed ones excepted
    callback_allow_private: bool = False
    callback_hosts: tuple[str, ...] = ()  # shell patterns of the host names callbacks may go to; empty: all
    callback_secret: str | None = None  # whsec_..., Standard Webhooks
    secrets: dict[str, str] | None = None  # by name: what a document refers to and may not hold; see ``secret``
    redact: tuple[str, ...] = ("password", "passwd", "secret", "token", "authorization", "api_key", "apikey")
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    def __repr__(self) -> str:
        """Show what differs from the defaults, without secrets: settings end up in logs."""
        shown = []
        for field in msgspec.structs.fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                safe = "..." if field.name in SECRETS else _without_password(value)
                shown.append(f"{field.name}={safe!r}")
        return f"Settings({', '.join(shown)})"

    def secret(self, name: str) -> str | None:
        """Return the secret that a document calls ``name``, in any case: FUNCATRON_NAME of the environment, else what
        ``secrets`` has; None where neither is there.
        """
        wanted = variable_of(name)
        kept = {variable_of(key): value for key, value in (self.secrets or {}).items()}
        return os.environ.get(wanted) or kept.get(wanted) or None

    @property
    def store_url(self) -> str:
        """The store's URL, made from ``data_dir`` where none is set."""
        return self.store or f"sqlite:///{Path(self.data_dir).resolve() / 'funcatron.db'}"

    @property
    def broker_url(self) -> str:
        """The broker's URL; the embedded default is the store's own file."""
        if self.broker is not None:
            return self.broker
        if self.store_url.startswith("sqlite:"):
            return self.store_url
        raise SettingsError("broker is not set, and only a sqlite store can be its own broker: set FUNCATRON_BROKER")

    @property
    def limits(self) -> Limits:
        """How large request bodies may be."""
        return Limits(self.max_body, self.max_upload or self.max_body)

    @property
    def cache_folder(self) -> Path | None:
        """Where checked documents are kept (XDG base directories), None where they are not."""
        if not self.cache:
            return None
        base = Path(os.environ.get("XDG_CACHE_HOME", ""))
        if base.is_absolute():
            return base / "funcatron"
        try:
            return Path.home() / ".cache" / "funcatron"
        except RuntimeError:  # this user has no home
            return None

    @property
    def embedded(self) -> bool:
        """Whether record and message live in one SQLite file."""
        return self.broker_url == self.store_url and self.store_url.startswith("sqlite:")


def variable_of(name: str) -> str:
    """Return the environment variable of a setting, or of a secret."""
    return PREFIX + name.upper().removeprefix(PREFIX).replace("-", "_")


def load_settings(
    given: Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    folder: str | Path = ".",
) -> Settings:
    """Read the settings; ``given`` (None values are as if absent) wins over the environment, that over the files.

    Raises SettingsError naming the source, the setting and what it should be.
    """
    merged: dict[str, Any] = {}
    for source, values in _sources(given or {}, os.environ if environ is None else environ, Path(folder)):
        for name, value in values.items():
            merged[name] = _convert(source, name, value)
    settings = Settings(**merged)
    if settings.store is not None and "://" not in settings.store:
        raise SettingsError(f"store must be a URL such as sqlite:///file.db, not {settings.store!r}")
    if settings.broker is not None and "://" not in settings.broker:
        raise SettingsError(f"broker must be a URL such as amqp://localhost, not {settings.broker!r}")
    return settings


def _sources(given: Mapping[str, Any], environ: Mapping[str, str], folder: Path) -> list[tuple[str, dict[str, Any]]]:
    fields = {f.name for f in msgspec.structs.fields(Settings)}
    _warn_of_misspelt(environ, fields)
    pyproject = _table(folder / "pyproject.toml", "tool", "funcatron")
    own = _table(folder / "funcatron.toml")
    variables = {
        key.removeprefix(PREFIX).lower(): value
        for key, value in environ.items()
        if key.startswith(PREFIX) and key.removeprefix(PREFIX).lower() in fields
    }
    options = {name: value for name, value in given.items() if value is not None}
    clients = {name: environ[key] for name, key in CLIENT_VARIABLES.items() if environ.get(key)}
    return [
        ("the environment of OpenStack's clients", clients),
        ("pyproject.toml [tool.funcatron]", pyproject),
        ("funcatron.toml", own),
        (ENVIRONMENT, variables),
        ("the command line", options),
    ]


def _warn_of_misspelt(environ: Mapping[str, str], fields: set[str]) -> None:
    """Tell of variables that are hardly meant for anybody else. They are no errors: some are a document's secrets."""
    for key in environ:
        name = key.removeprefix(PREFIX).lower()
        if not key.startswith(PREFIX) or name in fields or any(word in name for word in MAY_BE_A_SECRET):
            continue
        meant = nearest(name, fields, MISSPELT)
        if meant is not None:
            logger.warning("%s: %s is no setting; did you mean %s?", ENVIRONMENT, key, variable_of(meant))


def _table(file: Path, *path: str) -> dict[str, Any]:
    try:
        content: Any = tomllib.loads(file.read_text())
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: {error}") from None
    for key in path:
        content = content.get(key, {})
        if not isinstance(content, dict):
            raise SettingsError(f"{file}: [{'.'.join(path)}] must be a table")
    return {key.replace("-", "_"): value for key, value in content.items()}


def _convert(source: str, name: str, value: Any) -> Any:
    by_name = {f.name: f.type for f in msgspec.structs.fields(Settings)}
    if name not in by_name:
        meant = did_you_mean(name, by_name) or f"; known are {', '.join(sorted(by_name))}"
        raise SettingsError(f"{source}: unknown setting {name!r}{meant}")
    kind = by_name[name]
    if kind == tuple[str, ...] and isinstance(value, str):
        value = tuple(part.strip() for part in value.split(",") if part.strip())
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError as error:
        said = "not what it should be" if name in SECRETS else repr(value)
        spelled = variable_of(name) if source == ENVIRONMENT else name
        raise SettingsError(f"{source}: {spelled} is {said}: {error}") from None


def _without_password(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return re.sub(r"([?&]password=)[^&]*", r"\1...", re.sub(r"://[^@/]*@", "://...@", value))
