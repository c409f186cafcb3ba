"""One Kafka node and one Elasticsearch node from jars that Maven fetches once: build, start, stop, kill, pause."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = Path.home() / ".cache" / "moodstream" / "stack"
CLUSTER_ID = "bW9vZHN0cmVhbS1sb2NhbA"
JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
NETTY = ("netty-*.jar", "transport-netty4-*.jar", "elasticsearch-ssl-config-*.jar")


def missing() -> str | None:
    """Why the servers can't run here, or None."""
    absent = [name for name in ("java", "mvn") if shutil.which(name) is None]
    return f"needs {' and '.join(absent)}; on Debian: apt install openjdk-17-jdk-headless maven" if absent else None


def jars(name: str, arrange: Callable[[Path, str], None] = lambda _folder, _version: None) -> Path:
    """The folder with the jars of `name` (kafka, elasticsearch); fetched once, by one process at a time."""
    pom = HERE / name / "pom.xml"
    found = re.search(r"<node.version>([^<]+)", pom.read_text(encoding="utf-8"))
    version = found.group(1) if found else ""
    home = CACHE / f"{name}-{version}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.is_dir():
            draft = CACHE / f".{name}-{version}"
            shutil.rmtree(draft, ignore_errors=True)
            command = ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", "-DincludeScope=runtime"]
            subprocess.run([*command, f"-DoutputDirectory={draft / 'lib'}"], check=True, timeout=600)
            arrange(draft, version)
            draft.rename(home)
    return home


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Node:
    """One Java process with a log; it ends by itself when this process does."""

    def __init__(self, work: Path, command: list[str]) -> None:
        self.work = work
        self.command = command
        self.process: subprocess.Popen[bytes] | None = None

    def ready(self) -> bool:
        """Does it answer?"""
        raise NotImplementedError

    def start(self, timeout: float = 90.0) -> float:
        """Start and wait until it answers; seconds that it took. RuntimeError with the end of its log if it doesn't."""
        begun = time.monotonic()
        with (self.work / "node.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
            )
        while time.monotonic() - begun < timeout:
            if self.process.poll() is not None:
                break
            if self.ready():
                return time.monotonic() - begun
            time.sleep(0.1)
        end = (self.work / "node.log").read_text(encoding="utf-8", errors="replace")[-3000:]
        self.kill()
        raise RuntimeError(f"not ready after {time.monotonic() - begun:.0f} s:\n{end}")

    def stop(self, timeout: float = 40.0) -> None:
        """Stop gracefully; does nothing when it isn't running."""
        if self.process is None:
            return
        self.signal(signal.SIGCONT)
        self._close_stdin()
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process = None

    def kill(self) -> None:
        """SIGKILL."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self._close_stdin()
            self.process = None

    def signal(self, number: int) -> None:
        """Send a signal, e.g. SIGSTOP for a node that hangs."""
        if self.process is not None and self.process.poll() is None:
            os.kill(self.process.pid, number)

    def _close_stdin(self) -> None:
        if self.process is not None and self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()


class KafkaNode(Node):
    """Apache Kafka in KRaft mode, broker and controller in one. A restart keeps port and data."""

    def __init__(
        self, work: Path, *, port: int = 0, settings: Mapping[str, str] | None = None, scram: Mapping[str, str] | None = None
    ) -> None:
        """`scram`: passwords of users who may come by SCRAM-SHA-512."""
        work.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        properties = work / "server.properties"
        text = (HERE / "kafka" / "server.properties").read_text(encoding="utf-8")
        self.controller = free_port()
        text = text.format(port=self.port, controller=self.controller, data=work / "data")
        properties.write_text(text + "".join(f"{key}={value}\n" for key, value in (settings or {}).items()), encoding="utf-8")
        log4j = HERE / "kafka" / "log4j.properties"
        java = ["java", "-Xms192m", "-Xmx512m", *JVM, f"-Dlog4j.configuration=file:{log4j}", f"-Dkafka.logs.dir={work / 'logs'}"]
        java += ["-cp", f"{jars('kafka')}/lib/*"]
        format_ = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(properties), "--ignore-formatted", "--standalone"]
        for user, password in (scram or {}).items():
            format_ += ["--add-scram", f"SCRAM-SHA-512=[name={user},password={password}]"]
        subprocess.run([*java, *format_], check=True, capture_output=True, timeout=120)
        super().__init__(work, [*java, str(HERE / "kafka" / "KafkaNode.java"), str(properties)])

    def listen(self, name: str, protocol: str, port: int, advertised: int = 0, **more: str) -> None:
        """A listener besides the first, before the start; clients are told to come to `advertised`. `more`: its own settings."""
        first = f"PLAINTEXT://127.0.0.1:{self.port}"
        lines = {
            "listeners": f"{first},{name}://127.0.0.1:{port},CONTROLLER://127.0.0.1:{self.controller}",
            "advertised.listeners": f"{first},{name}://127.0.0.1:{advertised or port}",
            "listener.security.protocol.map": f"PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,{name}:{protocol}",
            **{f"listener.name.{name.lower()}.{key.replace('_', '.')}": value for key, value in more.items()},
        }
        with (self.work / "server.properties").open("a", encoding="utf-8") as file:
            file.writelines(f"{key}={value}\n" for key, value in lines.items())

    def ready(self) -> bool:
        """A broker is ready when it lists its topics."""
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 0.2).close()
            return self._answers()
        return False

    def _answers(self) -> bool:
        from kafka.admin import KafkaAdminClient
        from kafka.errors import KafkaError

        try:
            admin = KafkaAdminClient(bootstrap_servers=self.bootstrap, request_timeout_ms=4000)
        except KafkaError:
            return False
        try:
            admin.list_topics()
            return True
        except KafkaError:
            return False
        finally:
            admin.close()


def _arrange_elasticsearch(home: Path, version: str) -> None:
    """The network layer is a module of its own, with a descriptor."""
    net = home / "modules" / "transport-netty4"
    net.mkdir(parents=True)
    (home / "plugins").mkdir()
    for pattern in NETTY:
        for jar in (home / "lib").glob(pattern):
            jar.rename(net / jar.name)
    (net / "plugin-descriptor.properties").write_text(
        f"name=transport-netty4\ndescription=HTTP and transport\nversion={version}\nelasticsearch.version={version}\n"
        "java.version=17\nclassname=org.elasticsearch.transport.netty4.Netty4Plugin\n",
        encoding="utf-8",
    )


class ElasticNode(Node):
    """Elasticsearch, one node, without security (those modules aren't published as jars). A restart keeps port and data."""

    def __init__(self, work: Path, *, port: int = 0, settings: Mapping[str, str] | None = None) -> None:
        config = work / "config"
        config.mkdir(parents=True, exist_ok=True)
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        shutil.copy(HERE / "elasticsearch" / "log4j2.properties", config)
        lines = {
            "cluster.name": "moodstream", "node.name": "moodstream", "discovery.type": "single-node", "network.host": "127.0.0.1",
            "http.port": self.port, "transport.port": free_port(), "path.data": work / "data", "path.logs": work / "logs",
            "cluster.routing.allocation.disk.threshold_enabled": "false", **(settings or {}),
        }  # fmt: skip
        (config / "elasticsearch.yml").write_text("".join(f"{key}: {value}\n" for key, value in lines.items()), encoding="utf-8")
        home = jars("elasticsearch", _arrange_elasticsearch)
        java = ["java", "-Xms512m", "-Xmx512m", *JVM, "-Dlog4j2.shutdownHookEnabled=false", "-Dlog4j2.disable.jmx=true"]
        java += [f"-Djava.io.tmpdir={work}", "--module-path", str(home / "lib"), "--add-modules=jdk.net,ALL-MODULE-PATH"]
        super().__init__(work, [*java, str(HERE / "elasticsearch" / "EsNode.java"), str(home), str(config)])

    def ready(self) -> bool:
        """A node is ready when its health is not red."""
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.url}/_cluster/health?timeout=1s", timeout=3) as answer:
            return json.load(answer)["status"] in ("yellow", "green")
        return False
