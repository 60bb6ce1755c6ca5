"""Host keys as OpenSSH keeps them: known_hosts files, each read once, new hosts appended.

A changed or revoked key is never accepted, whatever the policy, unless checks are off.
Hashed names, patterns, `@revoked` and `@cert-authority` are honoured.
"""

from __future__ import annotations

import asyncio
import binascii
import fcntl
import fnmatch
import hmac
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import asyncssh

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Policy = Literal["accept-new", "strict", "off"]

DEFAULT_FILES = (
    "~/.ssh/known_hosts",
    "~/.ssh/known_hosts2",
    "/etc/ssh/ssh_known_hosts",
    "/etc/ssh/ssh_known_hosts2",
)


def spelled(host: str, port: int) -> str:
    """Return the name under which a host stands in known_hosts: `host` or `[host]:port`."""
    return host.lower() if port == 22 else f"[{host.lower()}]:{port}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: which names it is about, and its key, not yet decoded."""

    marker: str
    names: str
    key: str

    def about(self, name: str) -> bool:
        """Tell whether this line speaks of `name`."""
        if self.names.startswith("|1|"):
            try:
                salt, digest = (binascii.a2b_base64(part) for part in self.names[3:].split("|"))
            except (ValueError, binascii.Error):
                return False
            return hmac.compare_digest(hmac.digest(salt, name.encode(), "sha1"), digest)
        found = False
        for pattern in self.names.lower().split(","):
            if _matches(pattern.removeprefix("!"), name):
                if pattern.startswith("!"):
                    return False
                found = True
        return found


def _matches(pattern: str, name: str) -> bool:
    if "*" not in pattern and "?" not in pattern:
        return pattern == name
    # fnmatch knows [...] as a set, OpenSSH does not.
    return fnmatch.fnmatchcase(name, pattern.replace("[", "[[]"))


def parse(text: str) -> Iterator[Entry]:
    """Read the entries of a known_hosts file; as OpenSSH does, bad lines are passed over."""
    for line in text.splitlines():
        words = line.split(None, 1)
        marker = words[0] if words and words[0].startswith("@") else ""
        if marker:
            words = line.split(None, 2)[1:]
        if len(words) == 2 and not words[0].startswith("#"):
            yield Entry(marker, *words)


@dataclass(slots=True)
class Trust:
    """What is known of one host; `elsewhere` holds the keys of the same host on port 22."""

    keys: list[asyncssh.SSHKey] = field(default_factory=list[asyncssh.SSHKey])
    authorities: list[asyncssh.SSHKey] = field(default_factory=list[asyncssh.SSHKey])
    revoked: list[asyncssh.SSHKey] = field(default_factory=list[asyncssh.SSHKey])
    elsewhere: list[asyncssh.SSHKey] = field(default_factory=list[asyncssh.SSHKey])


class KnownHosts:
    """The known_hosts `files` of some nodes; the first is the one that new hosts go to."""

    def __init__(self, files: Sequence[str]) -> None:
        self.files = [Path(name).expanduser() for name in files]
        self.read: list[Path] = []
        self._exact: dict[str, list[Entry]] = {}
        self._others: list[Entry] = []
        self._lock = asyncio.Lock()
        self._stamps = self._look()
        for path in self.files:
            try:
                text = path.read_text(errors="replace")
            except OSError:
                continue
            self.read.append(path)
            for entry in parse(text):
                self._put(entry)

    def is_old(self) -> bool:
        """Tell whether a file is another one than was read; looks at the disk."""
        return self._look() != self._stamps

    def _look(self) -> list[tuple[int, int, int] | None]:
        stamps: list[tuple[int, int, int] | None] = []
        for path in self.files:
            try:
                found = path.stat()
            except OSError:
                stamps.append(None)
            else:
                stamps.append((found.st_ino, found.st_mtime_ns, found.st_size))
        return stamps

    def _put(self, entry: Entry) -> None:
        if any(sign in entry.names for sign in "|*?!"):
            self._others.append(entry)
            return
        for name in entry.names.lower().split(","):
            self._exact.setdefault(name, []).append(entry)

    def trust(self, host: str, port: int) -> Trust:
        """Return what the files say of this host."""
        trust = Trust()
        name = spelled(host, port)
        for entry in self._about(name):
            self._sort(entry, trust, trust.keys)
        if port != 22:
            for entry in self._about(spelled(host, 22)):
                self._sort(entry, trust, trust.elsewhere)
        return trust

    def _about(self, name: str) -> Iterator[Entry]:
        yield from self._exact.get(name, ())
        yield from (entry for entry in self._others if entry.about(name))

    @staticmethod
    def _sort(entry: Entry, trust: Trust, keys: list[asyncssh.SSHKey]) -> None:
        try:
            key = asyncssh.import_public_key(entry.key)
        except asyncssh.KeyImportError:
            return
        kinds = {"": keys, "@revoked": trust.revoked, "@cert-authority": trust.authorities}
        kinds.get(entry.marker, []).append(key)

    async def add(self, host: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Store the key of a new host in the first file; False when another is known by now.

        Raises OSError when the file cannot be written.
        """
        async with self._lock:
            known = self.trust(host, port).keys
            if known:
                return key in known
            line = f"{spelled(host, port)} {key.export_public_key('openssh').decode().strip()}"
            self._put(Entry("", *line.split(None, 1)))
            await asyncio.to_thread(_append, self.files[0], line)
            return True


def _append(path: Path, line: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        size = file.seek(0, os.SEEK_END)
        cut = b""
        if size and os.pread(file.fileno(), 1, size - 1) != b"\n":
            cut = b"\n"  # the last line was left open by its editor
        file.write(cut + line.encode() + b"\n")


def fingerprint(key: asyncssh.SSHKey) -> str:
    """Return `ED25519 key SHA256:...`, the words that OpenSSH shows."""
    kind = key.get_algorithm().removeprefix("ssh-").partition("-")[0].upper()
    return f"{kind} key {key.get_fingerprint()}"


@dataclass(slots=True)
class Verdict:
    """Decides about the key that one host shows, and keeps why it was refused."""

    policy: Policy
    known: KnownHosts
    trust: Trust
    host: str
    port: int
    new_key: asyncssh.SSHKey | None = None
    reason: str = ""
    hint: str = ""

    def accept(self, key: asyncssh.SSHKey) -> bool:
        """Tell whether a plain host key that is not in `trust.keys` may be accepted."""
        if self.policy == "off" or key in self.trust.elsewhere:
            return True
        if self.trust.keys:
            self.changed(key)
            return False
        if self.policy == "strict":
            self.reason = f"host key not known ({fingerprint(key)})"
            self.hint = "add it to known_hosts with ssh-keyscan, or use --host-keys accept-new"
            return False
        self.new_key = key
        return True

    def changed(self, key: asyncssh.SSHKey) -> None:
        """Note, in the words that users of OpenSSH know, that the key is another one."""
        self.reason = (
            "REMOTE HOST IDENTIFICATION HAS CHANGED: it now shows "
            f"{fingerprint(key)}, not the key that is known"
        )
        name = spelled(self.host, self.port)
        files = ", ".join(map(str, self.known.read or self.known.files[:1]))
        self.hint = (
            "someone may be listening in, or the node was installed anew; if so, remove the "
            f"old key with: ssh-keygen -R '{name}' (known hosts: {files})"
        )

    def revoked(self) -> None:
        """Note that the key is marked @revoked."""
        self.reason = "host key is revoked"
        self.hint = "this key must not be used: see the @revoked lines in known_hosts"
