"""Settings: defaults, then moodstream.toml, then MOODSTREAM_… variables, then options of a command. The only reader of the environment.

A nested value is set by `MOODSTREAM_WEB__PORT=9000`. Settings are frozen; `Settings.origins` says where each value came from.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from pipeline.addresses import Allowed
from pipeline.errors import SettingsError
from pipeline.quiet import hours
from pipeline.rule_settings import RuleSettings

PREFIX = "MOODSTREAM_"
FILE_VARIABLE = "MOODSTREAM_CONFIG"
DEFAULT_FILE = "moodstream.toml"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TopicSettings(_Part):
    """A named query: a post belongs to the topic if one of the phrases, hashtags or handles occurs and no exclusion does."""

    name: str = Field(min_length=1, max_length=80, description="the topic's name")
    phrases: tuple[str, ...] = Field((), description="words or phrases, any case")
    hashtags: tuple[str, ...] = Field((), description="with or without #")
    handles: tuple[str, ...] = Field((), description="with or without @")
    exclude: tuple[str, ...] = Field((), description="a post with one of these is not about the topic")
    languages: tuple[str, ...] = Field((), description="only posts in these languages (ISO 639-1); empty: all")
    language: str = Field("en", description="what a very short text without a sure language is taken for")
    sensitivity: float = Field(0.0, ge=-5, le=5, description="added to the detector's threshold: higher alerts less")


class ReceiverSettings(_Part):
    """Where messages go: `terminal:`, `file:PATH` (one JSON object per line), any Apprise URL, or with a secret a webhook of your own."""

    name: str = Field(min_length=1, description="the receiver's name")
    url: SecretStr = Field(description="terminal:, file:PATH, an Apprise URL, or https://HOST/PATH with a secret")
    secret: SecretStr | None = Field(None, description="signs what is posted to an https:// address of your own")
    secret_file: Path | None = Field(None, description="a file that holds the secret, instead of it")
    topics: tuple[str, ...] = Field((), description="only these topics; empty: all")
    severities: tuple[Literal["tone", "incident", "pipeline"], ...] = Field(
        ("tone", "incident", "pipeline"), description="only these severities"
    )
    hours: str = Field("", description="only within these hours, such as 08:00-22:00, the rest waits; empty: at any time")
    timezone: str = Field("UTC", description="whose clock the hours follow, such as Europe/Berlin")
    template: Literal["auto", "short", "long", "mail"] = Field(
        "auto", description="short: one line; long: a text for a chat; mail: HTML; auto: by the kind of service"
    )
    quotes: int = Field(3, ge=0, le=5, description="posts that a chat or mail shows; an erasure does not reach what was sent")

    @model_validator(mode="after")
    def _known_hours(self) -> ReceiverSettings:
        hours(self.hours, self.timezone)
        if self.secret is not None and self.secret_file is not None:
            raise ValueError("give secret or secret_file, not both")
        return self


class SourceSettings(_Part):
    """A source that `moodstream run` reads."""

    kind: Literal["file", "synthetic"] = Field(description="file: CSV or JSONL that is read once; synthetic: the generator")
    path: str = Field("", description="for kind = file")
    platform: str = Field("file", description="platform of the posts of a file that has no such column")
    columns: dict[str, str] = Field({}, description='column map, e.g. { text = "Review Text" }')
    seed: int = Field(1, description="for kind = synthetic")


class WebSettings(_Part):
    """The page and its API."""

    host: str = Field("127.0.0.1", description="address to bind; beyond loopback a token is required")
    port: int = Field(8420, ge=0, le=65535, description="0: any free port")
    token: SecretStr | None = Field(None, description="what a visitor must present beyond loopback; may also acknowledge, snooze and mute")
    viewer_token: SecretStr | None = Field(None, description="for visitors who may only look")
    allowed_hosts: tuple[str, ...] = Field(("localhost", "127.0.0.1", "[::1]"), description="accepted Host headers, without the port")
    public_url: str | None = Field(None, description="address that links in messages use")
    link_hours: float = Field(24, gt=0, le=720, description="how long the links that acknowledge or snooze work")


class MaintenanceSettings(_Part):
    """A window that comes again, in which nobody is told; `moodstream maintenance` plans single ones."""

    name: str = Field(min_length=1, max_length=80, description="the window's name")
    hours: str = Field(description="such as 22:00-02:00")
    timezone: str = Field("UTC", description="whose clock the hours follow, such as Europe/Berlin")
    days: tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...] = Field(
        (), description="on which it begins; empty: every day"
    )
    topics: tuple[str, ...] = Field((), description="only these topics; empty: all")

    @model_validator(mode="after")
    def _known_hours(self) -> MaintenanceSettings:
        if hours(self.hours, self.timezone) is None:
            raise ValueError("write the hours as 22:00-02:00")
        return self


class OutgoingSettings(_Part):
    """Which addresses of receivers may be called beside https on the public internet."""

    allowed: tuple[str, ...] = Field((), description="names, addresses or networks (10.1.0.0/16), private or without TLS")

    @field_validator("allowed")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        Allowed.of(value)
        return value


class DetectorSettings(_Part):
    """When an alert fires."""

    threshold: float = Field(0.0, ge=-5, le=10, description="log-odds of a changed regime; higher alerts less")
    lateness_minutes: float = Field(10, ge=0, le=180, description="a bin closes this long after its end")
    daily_cap: int = Field(10, ge=1, description="messages per receiver and day")


class RetentionSettings(_Part):
    """How long posts are kept; the hourly roll-up stays."""

    posts_days: int = Field(400, ge=1, description="posts older than this are removed")


class LimitSettings(_Part):
    """Bounds on what comes in."""

    record_bytes: int = Field(1_000_000, ge=1_000, description="a larger record is a dead letter")
    text_chars: int = Field(4_000, ge=100, description="a longer text is cut for the model; the original is kept")
    rejected_share: float = Field(0.5, gt=0, le=1, description="more bad records than this stops the work")
    rejected_min: int = Field(1_000, ge=1, description="the share is looked at from this many records on")
    queue_posts: int = Field(20_000, ge=100, description="posts waiting in memory; then the source waits")
    remembered_texts: int = Field(20_000, ge=0, le=10_000_000, description="scored texts that are not scored again; about 1.5 kB each")


class KafkaSettings(_Part):
    """The broker between producers and workers."""

    bootstrap: str = Field("127.0.0.1:9092", description="HOST:PORT of one or more brokers, with commas")
    topic: str = Field("moodstream-posts", description="where posts, edits and deletes go")
    dead_letters: str = Field("moodstream-dead-letters", description="where records go that can't be processed")
    group: str = Field("moodstream", description="the workers' consumer group")
    partitions: int = Field(8, ge=1, le=1000, description="of a topic that has to be made: the most workers that can share the work")
    replication: int = Field(1, ge=1, le=9, description="copies of a topic that has to be made")
    security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field("PLAINTEXT", description="how to connect")
    ca_file: Path | None = Field(None, description="certificates to trust; the system's if not given")
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field("SCRAM-SHA-512", description="how to log in")
    username: str | None = Field(None, description="for SASL")
    password: SecretStr | None = Field(None, description="for SASL")
    allow_insecure: bool = Field(False, description="allow a connection without TLS beyond this machine")
    wait_seconds: float = Field(120, ge=1, description="how long to wait for a broker or store that isn't there at the start")
    spill_file: str = Field("moodstream-unsent.ndjson", description="where the producer keeps what no broker took")


class ElasticsearchSettings(_Part):
    """The store behind an elasticsearch:// URL (elasticsearchs:// is with TLS)."""

    username: str | None = Field(None, description="user of basic authentication")
    password: SecretStr | None = Field(None, description="of that user")
    api_key: SecretStr | None = Field(None, description="instead of user and password")
    ca_file: Path | None = Field(None, description="certificates to trust; the system's if not given")
    allow_insecure: bool = Field(False, description="allow a connection without TLS beyond this machine")
    request_seconds: float = Field(30, ge=1, le=600, description="how long one request may take")
    fresh_seconds: float = Field(2, ge=0, le=600, description="reads recompute changed bins at most this often")
    replicas: int = Field(0, ge=0, le=5, description="copies of each index besides the first")


class Settings(BaseSettings):
    """All settings of one process."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_nested_delimiter="__", frozen=True, extra="forbid")

    store: str = Field("sqlite:///moodstream.db", description="sqlite:///FILE or elasticsearch://HOST:PORT (elasticsearchs: with TLS)")
    model: str = Field("auto", description="auto, a model's name, a checkpoint's folder, or a Hugging Face id")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="where torch runs; cuda fails where there is no CUDA GPU")
    label_map: Path | None = Field(None, description="JSON or TOML: what the labels of a Hugging Face checkpoint mean")
    models_folder: Path = Field(Path("moodstream-models"), description="where `tune` keeps models, and which of them is in use")
    batch_size: int = Field(256, ge=1, le=65536, description="texts scored at once")
    author_key: SecretStr | None = Field(None, description="key of the author hashes; made and kept beside the store if not given")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="what the log shows")
    topics: tuple[TopicSettings, ...] = Field((), description="the topics to watch")
    receivers: tuple[ReceiverSettings, ...] = Field((), description="who is told")
    sources: tuple[SourceSettings, ...] = Field((), description="what `moodstream run` reads")
    rules: tuple[RuleSettings, ...] = Field((), description="limits beside the detector")
    maintenance: tuple[MaintenanceSettings, ...] = Field((), description="when nobody is told")
    web: WebSettings = WebSettings()
    outgoing: OutgoingSettings = OutgoingSettings()
    detector: DetectorSettings = DetectorSettings()
    retention: RetentionSettings = RetentionSettings()
    limits: LimitSettings = LimitSettings()
    kafka: KafkaSettings = KafkaSettings()
    elasticsearch: ElasticsearchSettings = ElasticsearchSettings()
    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    @property
    def origins(self) -> Mapping[str, str]:
        """Dotted key → `default`, `moodstream.toml`, `MOODSTREAM_STORE`, `option`."""
        return self._origins

    @field_validator("topics", "receivers", "rules", "maintenance")
    @classmethod
    def _names_are_unique(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        names = [item.name for item in value]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"the name {twice[0]!r} is used twice")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load` merged: the order and the origins are decided there."""
        return (init_settings,)


def load(path: Path | None = None, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings once. `overrides` are a command's options by dotted key, None meaning not given.

    Without `path` the file is the one named by MOODSTREAM_CONFIG, else ./moodstream.toml, else none.
    Raises SettingsError: unreadable file, unknown key (with the nearest one), value of the wrong kind.
    """
    file = path or Path(os.environ.get(FILE_VARIABLE, DEFAULT_FILE))
    required = path is not None or FILE_VARIABLE in os.environ
    from_file = _read_file(file, required)
    from_env = _read_environment()
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    merged = _merge(_merge(from_file, from_env), _nested(given))
    try:
        settings = Settings(**merged)
    except ValidationError as error:
        raise SettingsError(_explain(error, from_file, file)) from None
    for key, _ in leaves(settings):
        settings._origins[key] = _origin(key, given, from_env, from_file, file)
    return settings


def leaves(settings: BaseModel, prefix: str = "") -> Iterator[tuple[str, object]]:
    """(dotted key, value) of every setting; secrets stay masked."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, BaseModel):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def environment(name: str) -> str | None:
    """An environment variable that is not a setting, such as NO_COLOR or CI."""
    return os.environ.get(name)


def _read_file(file: Path, required: bool) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if required:
            raise SettingsError(f"{file}: no such settings file; `moodstream init` writes one") from None
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file}: can't be read: {error}") from None


def _read_environment() -> dict[str, Any]:
    known = set(Settings.model_fields)
    for variable in os.environ:
        name = variable.removeprefix(PREFIX).lower().split("__")[0]
        if variable.startswith(PREFIX) and variable != FILE_VARIABLE and name not in known:
            raise SettingsError(f"unknown variable {variable}{_near(name, known, lambda key: PREFIX + key.upper())}")
    source = EnvSettingsSource(Settings, env_prefix=PREFIX, env_nested_delimiter="__")
    try:
        return source()
    except ValueError as error:
        raise SettingsError(f"{error}; lists and tables in variables are written as JSON") from None


def _explain(error: ValidationError, from_file: Mapping[str, Any], file: Path) -> str:
    lines = []
    for problem in error.errors():
        location = [str(part) for part in problem["loc"]]
        where = ".".join(location)
        if problem["type"] == "extra_forbidden":
            known = _keys_at(location[:-1])
            lines.append(f"unknown key {where!r}{_near(location[-1], known, str)}")
        else:
            lines.append(f"{where}: {problem['msg']}")
    in_file = any(problem["loc"] and str(problem["loc"][0]) in from_file for problem in error.errors())
    return f"{file if in_file else 'settings'}: " + "; ".join(lines)


def _keys_at(location: list[str]) -> set[str]:
    parts: dict[str, type[BaseModel]] = {
        "topics": TopicSettings, "receivers": ReceiverSettings, "sources": SourceSettings, "rules": RuleSettings, "web": WebSettings,
        "outgoing": OutgoingSettings, "maintenance": MaintenanceSettings,
        "detector": DetectorSettings, "retention": RetentionSettings, "limits": LimitSettings,
        "kafka": KafkaSettings, "elasticsearch": ElasticsearchSettings,
    }  # fmt: skip
    fields = (parts[location[0]] if location and location[0] in parts else Settings).model_fields
    return {info.alias or name for name, info in fields.items()}


def _near(name: str, known: set[str], show: Any) -> str:
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    return f"; did you mean {show(close[0])}?" if close else f"; known: {', '.join(sorted(known))}"


def _merge(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(low)
    for key, value in high.items():
        inner = out.get(key)
        out[key] = _merge(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return out


def _nested(dotted: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in dotted.items():
        *parents, leaf = key.split(".")
        part = out
        for parent in parents:
            part = part.setdefault(parent, {})
        part[leaf] = value
    return out


def _origin(key: str, given: Mapping[str, Any], from_env: Mapping[str, Any], from_file: Mapping[str, Any], file: Path) -> str:
    if key in given:
        return "option"
    if _has(from_env, key):
        return PREFIX + key.upper().replace(".", "__")
    return str(file) if _has(from_file, key) else "default"


def _has(part: Any, key: str) -> bool:
    for name in key.split("."):
        if not isinstance(part, Mapping) or name not in part:
            return False
        part = part[name]
    return True
