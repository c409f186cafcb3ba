"""TLS and passwords by settings: a broker that demands both, and a store behind a proxy that demands both."""

from __future__ import annotations

import base64
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from contracts.store_samples import scored
from pydantic import SecretStr

from pipeline import wiring
from pipeline.errors import StoreBlocked, Unavailable
from pipeline.settings import ElasticsearchSettings, KafkaSettings, load
from producers.kafka_admin import prepare_topics
from tools.stack import certificates
from tools.stack.certificates import Certificates
from tools.stack.harness import Rig
from tools.stack.nodes import ElasticNode, KafkaNode, free_port
from tools.stack.proxy import FaultProxy

pytestmark = pytest.mark.timeout(300)
PASSWORD = "correct-horse-7731"
PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
API_KEY = "bW9vZDpjb3JyZWN0LWhvcnNl"


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A certificate for 127.0.0.1 and its authority."""
    reason = certificates.missing()
    if reason:
        pytest.skip(f"unavailable: {reason}")
    return certificates.make(tmp_path_factory.mktemp("issued"))


@pytest.fixture(scope="module")
def foreign(issued: Certificates, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority that signed nothing here."""
    return certificates.make(tmp_path_factory.mktemp("foreign")).authority


@pytest.fixture(scope="module")
def bootstrap(issued: Certificates, node_folder: Path) -> Iterator[str]:
    """The address of a broker that takes SASL over TLS only."""
    port = free_port()
    node = KafkaNode(node_folder / "secure", scram={"mood": PASSWORD})
    pair = issued.key.with_name("pair.pem")
    pair.write_bytes(issued.key.read_bytes() + issued.certificate.read_bytes())
    node.listen(
        "SECURE", "SASL_SSL", port, ssl_keystore_type="PEM", ssl_keystore_location=str(pair), sasl_enabled_mechanisms="PLAIN,SCRAM-SHA-512",
        plain_sasl_jaas_config=f'{PLAIN} user_mood="{PASSWORD}";', **{"scram-sha-512_sasl_jaas_config": SCRAM},
    )  # fmt: skip
    node.start()
    yield f"127.0.0.1:{port}"
    node.stop()


@pytest.fixture
def kafka(bootstrap: str, issued: Certificates, prefix: str, tmp_path: Path) -> KafkaSettings:
    """What a client must be told."""
    return KafkaSettings(
        bootstrap=bootstrap, topic=f"{prefix}-posts", dead_letters=f"{prefix}-dead", group=prefix, partitions=2,
        security="SASL_SSL", sasl_mechanism="PLAIN", username="mood", password=PASSWORD, ca_file=issued.authority,
        spill_file=str(tmp_path / "unsent"),
    )  # fmt: skip


@pytest.fixture
def proxy(elastic_node: ElasticNode, issued: Certificates) -> Iterator[FaultProxy]:
    """The store behind TLS and a password."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    expected = "Basic " + base64.b64encode(f"mood:{PASSWORD}".encode()).decode()
    made = FaultProxy(elastic_node.port, tls=context, authorization=expected)
    yield made
    made.close()


def environment(kafka: KafkaSettings, proxy: FaultProxy, issued: Certificates, prefix: str) -> dict[str, str]:
    """All of it as a container has it: variables."""
    return os.environ | {
        "MOODSTREAM_STORE": f"elasticsearchs://127.0.0.1:{proxy.port}/{prefix}", "MOODSTREAM_MODEL": "vader",
        "MOODSTREAM_AUTHOR_KEY": "k", "MOODSTREAM_ELASTICSEARCH__USERNAME": "mood", "MOODSTREAM_ELASTICSEARCH__PASSWORD": PASSWORD,
        "MOODSTREAM_ELASTICSEARCH__CA_FILE": str(issued.authority), "MOODSTREAM_KAFKA__BOOTSTRAP": kafka.bootstrap,
        "MOODSTREAM_KAFKA__TOPIC": kafka.topic, "MOODSTREAM_KAFKA__DEAD_LETTERS": kafka.dead_letters,
        "MOODSTREAM_KAFKA__GROUP": kafka.group, "MOODSTREAM_KAFKA__SECURITY": "SASL_SSL", "MOODSTREAM_KAFKA__SASL_MECHANISM": "PLAIN",
        "MOODSTREAM_KAFKA__USERNAME": "mood", "MOODSTREAM_KAFKA__PASSWORD": PASSWORD,
        "MOODSTREAM_KAFKA__CA_FILE": str(issued.authority), "MOODSTREAM_KAFKA__WAIT_SECONDS": "2",
    }  # fmt: skip


def test_the_whole_stream_runs_over_tls_with_passwords(
    kafka: KafkaSettings, proxy: FaultProxy, issued: Certificates, elastic_node: ElasticNode, prefix: str, tmp_path: Path
) -> None:
    """Publisher, worker and reader get all they need from settings; no password is in a log."""
    rig = Rig(prefix, kafka.bootstrap, elastic_node.port, tmp_path)
    rig.kafka = kafka
    rig.extra = environment(kafka, proxy, issued, prefix) | {"MOODSTREAM_KAFKA__WAIT_SECONDS": "60"}
    with rig.publisher() as publisher:
        rig.publish(publisher, 0, 300)
        assert publisher.flush(60)
    worker = rig.worker(supervise=False)
    try:
        worker.wait_until_processing()
        rig.wait_until_done()
        assert 0 == worker.stop()
    finally:
        worker.kill()
    verdict = rig.verdict()
    assert (300, 0, 0, 0) == (verdict.published, verdict.lost, verdict.duplicates, verdict.wrong)
    assert PASSWORD not in (tmp_path / "worker.log").read_text(errors="replace")


@pytest.mark.parametrize(
    ("changed", "code", "said"),
    [
        ({"MOODSTREAM_KAFKA__PASSWORD": "wrong"}, 6, "waiting for Kafka"),
        ({"MOODSTREAM_KAFKA__CA_FILE": "foreign"}, 6, "waiting for Kafka"),
        ({"MOODSTREAM_ELASTICSEARCH__PASSWORD": "wrong"}, 4, "refuses the credentials"),
        ({"MOODSTREAM_ELASTICSEARCH__CA_FILE": "foreign"}, 4, "check elasticsearch.ca_file"),
    ],
    ids=["wrong Kafka password", "wrong Kafka authority", "wrong store password", "wrong store authority"],
)
def test_a_worker_that_may_not_enter_says_so(
    kafka: KafkaSettings, proxy: FaultProxy, issued: Certificates, foreign: Path, prefix: str, changed: dict[str, str], code: int, said: str
) -> None:
    """It ends with an exit code of its own and a reason, and never shows the password."""
    variables = {name: str(foreign) if value == "foreign" else value for name, value in changed.items()}
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "pipeline", "worker"],
        env=environment(kafka, proxy, issued, prefix) | variables, capture_output=True, text=True, timeout=200,
    )  # fmt: skip
    assert code == ended.returncode, ended.stderr
    assert said in " ".join(ended.stderr.split())
    assert PASSWORD not in ended.stderr + ended.stdout


def test_the_password_need_not_travel(kafka: KafkaSettings, prefix: str, tmp_path: Path) -> None:
    """SCRAM-SHA-512: topics are made, posts acknowledged and counted; with a wrong password nothing is."""
    scram = kafka.model_copy(update={"sasl_mechanism": "SCRAM-SHA-512"})
    rig = Rig(prefix, scram.bootstrap, 1, tmp_path)
    rig.kafka = scram
    with rig.publisher() as publisher:
        rig.publish(publisher, 0, 50)
        assert publisher.flush(60)
        assert 50 == publisher.acknowledged
    assert rig.lag() > 0
    with pytest.raises(Unavailable):
        prepare_topics(scram.model_copy(update={"password": SecretStr("wrong")}))


def test_an_api_key_opens_the_store(elastic_node: ElasticNode, issued: Certificates, prefix: str) -> None:
    """The key of the settings goes with every request; a wrong one is refused with what to do, and is not shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    proxy = FaultProxy(elastic_node.port, tls=context, authorization=f"ApiKey {API_KEY}")
    url = f"elasticsearchs://127.0.0.1:{proxy.port}/{prefix}"
    try:
        with closing(wiring.open_store(url, server=ElasticsearchSettings(api_key=SecretStr(API_KEY), ca_file=issued.authority))) as store:
            store.write([scored(1)])
            store.refresh()
            assert 1 == store.count()
        with pytest.raises(StoreBlocked, match="refuses the credentials") as refused:
            wiring.open_store(url, server=ElasticsearchSettings(api_key=SecretStr("d3Jvbmc6a2V5"), ca_file=issued.authority))
        assert "d3Jvbmc6a2V5" not in str(refused.value)
    finally:
        proxy.close()


def test_a_publisher_does_not_trust_another_authority(kafka: KafkaSettings, foreign: Path) -> None:
    """Certificates are checked on the way to Kafka."""
    with pytest.raises(Unavailable):
        prepare_topics(kafka.model_copy(update={"ca_file": foreign}))


def test_a_reader_takes_credentials_from_its_settings_file(proxy: FaultProxy, issued: Certificates, prefix: str, tmp_path: Path) -> None:
    """`--config` is enough; without it the store refuses."""
    url = f"elasticsearchs://127.0.0.1:{proxy.port}/{prefix}"
    file = tmp_path / "moodstream.toml"
    file.write_text(
        f'store = "{url}"\n[elasticsearch]\nusername = "mood"\npassword = "{PASSWORD}"\nca_file = "{issued.authority}"\n', encoding="utf-8"
    )
    store = wiring.store(load(file))
    try:
        store.write([scored(1)])
        store.refresh()
        assert 1 == store.count()
    finally:
        store.close()
    command = [sys.executable, "-m", "pipeline", "topics", "--json", "--config", str(file)]
    assert 0 == subprocess.run(command, capture_output=True, timeout=100).returncode
    with pytest.raises(StoreBlocked, match="refuses the credentials"):
        wiring.open_store(url, server=ElasticsearchSettings(ca_file=issued.authority))
