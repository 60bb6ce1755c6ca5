"""The certificate of the web page beyond loopback: ours, self-made, or one that was given.

A self-made one stays the same for as long as it may, so that its fingerprint, which people
compare once, does: it is made anew when it is about to end or lacks a name.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from clsh.base.errors import ClshError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

CERTIFICATE = "certificate.pem"
KEY = "key.pem"
_DAYS = 825  # browsers of Apple take none that lasts longer
_RENEWED_DAYS = 30


@dataclass(frozen=True, slots=True)
class Tls:
    """What a server shows; `fingerprint` is SHA-256, as browsers and openssl show it."""

    context: ssl.SSLContext
    fingerprint: str


def given(certificate: str, key: str) -> Tls:
    """Return the certificate in a file with its key in another; raises ConfigError."""
    try:
        context = _context()
        context.load_cert_chain(certificate, key)
        with open(certificate, "rb") as file:  # noqa: PTH123 - a name as the configuration has it
            shown = _fingerprint(file.read())
    except (OSError, ValueError) as error:  # an ssl.SSLError is an OSError
        reason = getattr(error, "strerror", "") or error
        raise ConfigError(
            f"[manager] certificate: {certificate} with the key {key} cannot be used: {reason}",
            hint="both are PEM, the chain behind the certificate, the key without a password",
        ) from error
    return Tls(context, shown)


def self_made(directory: Path, names: Sequence[str]) -> Tls:
    """Return the certificate kept in a directory, made when there is no good one for `names`.

    Raises ClshError when it cannot be kept.
    """
    certificate, key = directory / CERTIFICATE, directory / KEY
    now = datetime.now(UTC)
    try:
        if not _is_good(certificate, key, names, now):
            _make(certificate, key, names, now)
        context = _context()
        context.load_cert_chain(certificate, key)
        return Tls(context, _fingerprint(certificate.read_bytes()))
    except OSError as error:
        reason = error.strerror or error
        raise ClshError(
            f"{certificate} and {key} cannot be used: {reason}", hint=f"df -h {directory}"
        ) from error


def names_of(host: str, more: Sequence[str]) -> tuple[str, ...]:
    """Return by which names this machine is asked: where it listens, its name, what was said."""
    own = socket.gethostname()
    said = [one.rpartition(":")[0] if one.count(":") == 1 else one for one in more]
    wild = host in {"0.0.0.0", "::", ""}  # noqa: S104 - compared, not listened at
    found = [*([] if wild else [host]), *said, own, "localhost", "127.0.0.1", "::1"]
    return tuple(dict.fromkeys(one.lower() for one in found if one))


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _fingerprint(pem: bytes) -> str:
    """Return the fingerprint of the first certificate in a file; raises ValueError."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    return x509.load_pem_x509_certificate(pem).fingerprint(hashes.SHA256()).hex(":").upper()


def _is_good(certificate: Path, key: Path, names: Sequence[str], now: datetime) -> bool:
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificate(certificate.read_bytes())
        held = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        _context().load_cert_chain(certificate, key)
    except (OSError, ValueError, x509.ExtensionNotFound):
        return False
    lasts = found.not_valid_after_utc - now > timedelta(days=_RENEWED_DAYS)
    return lasts and found.not_valid_before_utc <= now and set(_alternatives(names)) <= set(held)


def _make(certificate: Path, key: Path, names: Sequence[str], now: datetime) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    secret = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"clsh on {names[0]}"[:64])])
    made = (
        x509.CertificateBuilder(subject, subject, secret.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=_DAYS - 1))
        .add_extension(x509.SubjectAlternativeName(_alternatives(names)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(secret, hashes.SHA256())
    )
    _keep(key, _pem(secret))
    _keep(certificate, made.public_bytes(serialization.Encoding.PEM))


def _pem(secret: EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives import serialization

    return secret.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _keep(file: Path, data: bytes) -> None:
    """Write a file for its owner alone, whole or not at all."""
    new = file.with_name(f"{file.name}.new")
    new.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(new, flags, 0o600), "wb") as opened:
        opened.write(data)
        opened.flush()
        os.fsync(opened.fileno())
    new.replace(file)


def _alternatives(names: Sequence[str]) -> list[x509.GeneralName]:
    from cryptography import x509

    found: list[x509.GeneralName] = []
    for name in names:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name.strip("[]").partition("%")[0])))
        except ValueError:
            with contextlib.suppress(ValueError):  # a name that is not ASCII has no place there
                found.append(x509.DNSName(name))
    return found
