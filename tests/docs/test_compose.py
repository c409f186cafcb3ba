"""What docker-compose.yml promises: pinned, limited, checked, unprivileged, closed, and in step with the command line."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.cli import build
from pipeline.settings import Settings

OURS = {"producer", "worker", "worker-gpu", "detect", "serve"}


@pytest.fixture(scope="module")
def compose(root: Path) -> dict[str, Any]:
    """The parsed file."""
    parsed: dict[str, Any] = yaml.safe_load((root / "docker-compose.yml").read_text(encoding="utf-8"))
    return parsed


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Any]:
    """Its services by name."""
    found: dict[str, Any] = compose["services"]
    return found


def test_the_services_are_those_of_the_stream(services: dict[str, Any]) -> None:
    """Broker, store, dashboards, and our parts."""
    assert {"kafka", "elasticsearch", "grafana"} | OURS == set(services)


def test_every_image_is_pinned(services: dict[str, Any], root: Path) -> None:
    """A version with three numbers each, also of the image that ours is built from."""
    loose = {name: service["image"] for name, service in services.items() if not re.search(r":\d+\.\d+\.\d+$", service["image"])}
    assert {} == loose
    assert re.search(r"^FROM python:\d+\.\d+\.\d+-", (root / "Dockerfile").read_text(encoding="utf-8"), flags=re.M)


def test_every_service_is_limited_checked_and_unprivileged(services: dict[str, Any]) -> None:
    """Memory, processors, a health check, a user that is not root, a restart."""
    for name, service in services.items():
        assert {"mem_limit", "cpus", "healthcheck", "user", "restart"} <= service.keys(), name
        assert service["user"].split(":")[0] not in ("0", "root"), name
        assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL"), name


def test_nothing_is_published_beyond_this_machine(services: dict[str, Any]) -> None:
    """Each published port is bound to 127.0.0.1."""
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert ports
    assert [] == [port for port in ports if not port.startswith("127.0.0.1:")]


def test_every_variable_is_in_the_example_and_has_no_default(root: Path) -> None:
    """`.env.example` names exactly what the file asks for, empty; a missing one is an error that names it."""
    asked = re.findall(r"\$\{([^}]+)\}", (root / "docker-compose.yml").read_text(encoding="utf-8"))
    lines = (root / ".env.example").read_text(encoding="utf-8").splitlines()
    example = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert {text.split(":?")[0] for text in asked} == example.keys()
    assert all(text == f"{text.split(':?')[0]}:?set {text.split(':?')[0]} in .env" for text in asked)
    assert {""} == set(example.values())


def test_elasticsearch_has_security_on_and_a_password(services: dict[str, Any]) -> None:
    """Nobody reads or writes without the password of `.env`."""
    environment = services["elasticsearch"]["environment"]
    assert "true" == environment["xpack.security.enabled"]
    assert environment["ELASTIC_PASSWORD"].startswith("${ELASTIC_PASSWORD:?")


def test_every_command_and_option_is_known(services: dict[str, Any]) -> None:
    """What a container runs is a command of the command line with options that it has."""
    commands = build().commands
    for name in sorted(OURS):
        command, *arguments = services[name]["command"]
        known = {option for parameter in commands[command].params for option in parameter.opts}
        assert {argument for argument in arguments if argument.startswith("--")} <= known, name


def test_every_setting_is_known(services: dict[str, Any]) -> None:
    """Each MOODSTREAM_ variable is a key of the settings."""
    for name in sorted(OURS):
        for variable in services[name]["environment"]:
            part, _, key = variable.removeprefix("MOODSTREAM_").lower().partition("__")
            field = Settings.model_fields[part]
            assert not key or key in type(field.default).model_fields, variable


def test_named_volumes_are_declared(compose: dict[str, Any]) -> None:
    """Data live in volumes that the file declares, and in none besides."""
    used = {volume.split(":")[0] for service in compose["services"].values() for volume in service.get("volumes", ())}
    assert used == set(compose["volumes"])


def test_docker_takes_the_file(root: Path, tmp_path: Path) -> None:
    """`docker compose config` finds nothing wrong, where that plugin exists."""
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True).returncode != 0:
        pytest.skip("unavailable: docker compose is not installed")
    filled = tmp_path / ".env"
    lines = (root / ".env.example").read_text(encoding="utf-8").splitlines()
    filled.write_text("".join(f"{line}x\n" if line.endswith("=") else f"{line}\n" for line in lines), encoding="utf-8")
    command = [docker, "compose", "--env-file", str(filled), "config", "-q"]
    assert 0 == subprocess.run(command, cwd=root).returncode
