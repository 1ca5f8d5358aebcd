"""`amqps://`: TLS with a certificate authority of one's own, by the options of the URL."""

import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from domain.errors import BrokerUnavailable
from infrastructure.rabbitmq.publisher import Publisher
from infrastructure.rabbitmq.topology import Topology
from tests.support.amqp import rows
from tests.support.tcp_proxy import TcpProxy, proxied


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 that signs itself, with its key beside it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    now = datetime.now(UTC)
    address = x509.IPAddress(ip_address("127.0.0.1"))
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "broker.pem"
    path.write_bytes(signed.public_bytes(Encoding.PEM))
    path.with_suffix(".key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return path


@pytest.fixture
async def tls(rabbitmq_url: str, certificate: Path) -> AsyncIterator[TcpProxy]:
    """The broker behind TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    async with proxied(rabbitmq_url, context) as made:
        yield made


def secure(url: str, query: str = "") -> str:
    return url.replace("amqp://", "amqps://") + query


async def test_messages_travel_over_tls(
    rabbitmq_url: str, tls: TcpProxy, certificate: Path
) -> None:
    url = secure(tls.url(rabbitmq_url), f"?cafile={certificate}")
    publisher = Publisher(url, "test", Topology())
    assert await publisher.publish(rows(3)) == [1, 2, 3]
    await publisher.close()


async def test_a_certificate_that_nobody_vouches_for_is_refused(
    rabbitmq_url: str, tls: TcpProxy
) -> None:
    publisher = Publisher(secure(tls.url(rabbitmq_url)), "test", Topology())
    with pytest.raises(BrokerUnavailable, match=r"(?i)certificate"):
        await publisher.publish(rows(1))
