"""The certificate of the page: made once, made anew when it must be, or given."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from clsh.base.errors import ClshError, ConfigError
from clsh.manager import certificate

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("node7", "10.0.0.1", "fd00::2")


def shown(folder: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / certificate.CERTIFICATE).read_bytes())


def test_it_stays_the_same_and_is_its_owner_s_alone(tmp_path: Path) -> None:
    first = certificate.self_made(tmp_path, NAMES)
    assert certificate.self_made(tmp_path, NAMES).fingerprint == first.fingerprint
    assert certificate.self_made(tmp_path, NAMES[:1]).fingerprint == first.fingerprint
    assert len(first.fingerprint.split(":")) == 32
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in tmp_path.glob("*.pem")}
    assert modes == {"certificate.pem": "0o600", "key.pem": "0o600"}
    assert first.context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_it_has_the_names(tmp_path: Path) -> None:
    certificate.self_made(tmp_path, (*NAMES, "nöde"))
    found = shown(tmp_path)
    held = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert held.get_values_for_type(x509.DNSName) == ["node7"]
    addresses = [str(one) for one in held.get_values_for_type(x509.IPAddress)]
    assert addresses == ["10.0.0.1", "fd00::2"]
    lasts = found.not_valid_after_utc - found.not_valid_before_utc
    assert lasts <= timedelta(days=825)


def test_it_is_made_anew_for_a_new_name(tmp_path: Path) -> None:
    first = certificate.self_made(tmp_path, NAMES)
    assert certificate.self_made(tmp_path, (*NAMES, "more")).fingerprint != first.fingerprint


@pytest.mark.parametrize("days", [800, 2000, -10])
def test_it_is_made_anew_before_it_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    first = certificate.self_made(tmp_path, NAMES)

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]  # with UTC always
            return datetime.now(UTC) + timedelta(days=days)

    monkeypatch.setattr(certificate, "datetime", Later)
    assert certificate.self_made(tmp_path, NAMES).fingerprint != first.fingerprint


@pytest.mark.parametrize("name", [certificate.CERTIFICATE, certificate.KEY])
@pytest.mark.parametrize("content", [b"", b"no PEM", None])
def test_what_is_broken_is_made_anew(tmp_path: Path, name: str, content: bytes | None) -> None:
    first = certificate.self_made(tmp_path, NAMES)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert certificate.self_made(tmp_path, NAMES).fingerprint != first.fingerprint


def test_a_directory_that_takes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ClshError, match="cannot be used"):
        certificate.self_made(tmp_path / "nowhere", NAMES)


def test_one_that_was_given(tmp_path: Path) -> None:
    made = certificate.self_made(tmp_path, NAMES)
    pem, key = str(tmp_path / certificate.CERTIFICATE), str(tmp_path / certificate.KEY)
    assert certificate.given(pem, key).fingerprint == made.fingerprint
    for bad in ((key, key), (pem, pem), (pem, "/nowhere"), ("/nowhere", key)):
        with pytest.raises(
            ConfigError, match=r"\[manager\] certificate: .* cannot be used"
        ) as told:
            certificate.given(*bad)
        assert "PEM" in told.value.hint


def test_by_which_names_we_are_asked() -> None:
    own = socket.gethostname().lower()
    assert certificate.names_of("10.0.0.1", ["Web:443", "x.org"])[:3] == (
        "10.0.0.1",
        "web",
        "x.org",
    )
    assert certificate.names_of("0.0.0.0", [])[0] == own
    assert {"localhost", "127.0.0.1", "::1"} < set(certificate.names_of("[::]", []))
