"""Which directives of ssh_config hold for a host, and whether asyncssh knows them all.

Only the structure is read here (Host, Match, Include): what a directive means is left to
ssh and asyncssh. A Match block counts as one that may hold, so it is never overlooked.
`load` reads the files; everything else is pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clsh.base.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

SYSTEM_FILE = "/etc/ssh/ssh_config"
_DEEPEST = 16  # as ssh: an Include deeper than this is an error


@dataclass(frozen=True, slots=True)
class Directive:
    """One line: its keyword in lower case ("" if there is none), the rest, and `FILE:LINE`."""

    name: str
    value: str
    where: str
    system: bool = False


@dataclass(frozen=True, slots=True)
class _Line:
    directive: Directive
    conditions: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Config:
    """All lines of the user's file and the system's, in the order in which ssh reads them."""

    lines: tuple[_Line, ...] = ()

    def directives(self, host: str) -> list[Directive]:
        """Return what holds, or may hold, for `host` as it is written on the command line."""
        return [
            line.directive
            for line in self.lines
            if all(_matches(patterns, host) for patterns in line.conditions)
        ]


def parse(
    text: str, name: str, opener: Callable[[str], list[tuple[str, str]]], *, system: bool = False
) -> Config:
    """Parse one file; `opener` gives name and text of the files for an absolute pattern."""
    folder = "/etc/ssh" if system else str(Path.home() / ".ssh")
    return Config(tuple(_Parser(opener, folder, system=system).file(text, name, (), 0)))


def load(user_file: str | None) -> Config:
    """Read the user's file and the system's, or only `user_file` as `ssh -F` does.

    A default file that is not there is an empty one. Raises ConfigError for a file that
    cannot be read.
    """
    if user_file is not None:
        return _load_one(Path(user_file), system=False, must=True)
    own = _load_one(Path.home() / ".ssh" / "config", system=False, must=False)
    return Config(own.lines + _load_one(Path(SYSTEM_FILE), system=True, must=False).lines)


def _load_one(path: Path, *, system: bool, must: bool) -> Config:
    try:
        text = path.read_text("utf-8", "surrogateescape")
    except FileNotFoundError:
        if not must:
            return Config()
        raise ConfigError(f"there is no file {path}", hint="give another ssh_config") from None
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    return parse(text, str(path), _open_files, system=system)


def _open_files(pattern: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for path in sorted(Path("/").glob(pattern.lstrip("/"))):
        if path.is_file():
            try:
                found.append((str(path), path.read_text("utf-8", "surrogateescape")))
            except OSError as error:
                raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    return found


_SPLIT = re.compile(r"\s*([A-Za-z0-9]+)\s*(?:=|\s)?\s*(.*?)\s*")


class _Parser:
    def __init__(
        self, opener: Callable[[str], list[tuple[str, str]]], folder: str, *, system: bool
    ) -> None:
        self._opener = opener
        self._folder = folder
        self._system = system

    def file(
        self, text: str, name: str, outer: tuple[tuple[str, ...], ...], depth: int
    ) -> Iterator[_Line]:
        conditions = outer
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            match = _SPLIT.fullmatch(line)
            keyword, value = (match[1].lower(), match[2]) if match else ("", line.strip())
            directive = Directive(keyword, value, f"{name}:{number}", system=self._system)
            if directive.name == "host":
                conditions = (*outer, tuple(directive.value.replace('"', "").split()))
            elif directive.name == "match":
                conditions = outer
            yield _Line(directive, conditions)
            if directive.name == "include" and depth < _DEEPEST:
                yield from self._include(directive, conditions, depth)

    def _include(
        self, directive: Directive, conditions: tuple[tuple[str, ...], ...], depth: int
    ) -> Iterator[_Line]:
        for word in directive.value.replace('"', "").split():
            pattern = str(Path(self._folder, Path(word).expanduser()))
            for name, text in self._opener(pattern):
                yield from self.file(text, name, conditions, depth + 1)


def _matches(patterns: tuple[str, ...], host: str) -> bool:
    """Tell whether a Host line holds: one pattern matches and no `!pattern` does."""
    held = False
    for pattern in patterns:
        if _wildcard(pattern.removeprefix("!"), host):
            if pattern.startswith("!"):
                return False
            held = True
    return held


def _wildcard(pattern: str, host: str) -> bool:
    parts = (
        {"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern.lower()
    )
    return re.fullmatch("".join(parts), host.lower()) is not None


_FLAG = r"(?i:yes|no|true|false)"
_WORD = r"[^\s%$]+"
_NUMBER = r"\d+"
_FILES = r"(?!(?i:none)\b)[^%$]+"
_PATHS = r"(?:[^\s$%]|%[dhlLnpru%])+"  # the tokens that asyncssh expands as ssh does

_SAME: dict[str, tuple[str, str]] = {
    "addressfamily": (r"(?i:any|inet6?)", "the family of the socket"),
    "bindaddress": (_WORD, "the local address of the socket"),
    "certificatefile": (_PATHS, "offered with its key"),
    "forwardagent": (_FLAG, "the same request; a path or a variable is not listed"),
    "globalknownhostsfile": (_FILES, "the same files"),
    "hostname": (r"(?:[^\s%$]|%[h%])+", "the same address, %h expanded"),
    "identitiesonly": (_FLAG, "keys of the agent that are not named are left out"),
    "identityfile": (_PATHS, "added in order; %d %h %l %L %n %p %r %u expanded"),
    "kbdinteractiveauthentication": (_FLAG, "allows the method"),
    "passwordauthentication": (_FLAG, "allows the method"),
    "port": (_NUMBER, "the same port"),
    "preferredauthentications": (r"[a-z,-]+", "the same names in the same order"),
    "proxyjump": (_WORD, "the same hops; each hop's own directives are looked at as well"),
    "pubkeyauthentication": (_FLAG, "allows the method"),
    "sendenv": (r"[A-Za-z0-9_*?\s]+", "the same variables; -NAME is not listed"),
    "setenv": (r"(?:[A-Za-z0-9_]+=[^\s%$]+\s*)+", "the same requests, the first line wins"),
    "tcpkeepalive": (_FLAG, "SO_KEEPALIVE"),
    "user": (_WORD, "the same name"),
    "userknownhostsfile": (_FILES, "the same files, ~ expanded"),
}
"""Treated by asyncssh as by OpenSSH: for each what the value must look like, and the reason."""

_NO_MATTER: dict[str, tuple[str, str]] = {
    "addkeystoagent": (r".*", "says what ssh gives to the agent, not how a node is reached"),
    "batchmode": (_FLAG, "clsh never prompts below its own command line"),
    "checkhostip": (_FLAG, "an additional check, off by default"),
    "clearallforwardings": (_FLAG, "clsh makes no forwardings"),
    "compression": (_FLAG, "clsh asks asyncssh for none: it only saves bytes on slow links"),
    "connectionattempts": (_NUMBER, "clsh retries by itself (--retry)"),
    "connecttimeout": (_NUMBER, "clsh sets it (--connect-timeout)"),
    "controlmaster": (r".*", "clsh keeps connections by itself"),
    "controlpath": (r".*", "clsh keeps connections by itself"),
    "controlpersist": (r".*", "clsh keeps connections by itself"),
    "dynamicforward": (r".*", "clsh makes no forwardings"),
    "escapechar": (r".*", "commands have no escape character"),
    "exitonforwardfailure": (_FLAG, "clsh makes no forwardings"),
    "fingerprinthash": (_WORD, "for people who compare fingerprints"),
    "forwardx11": (_FLAG, "clsh forwards no display"),
    "forwardx11timeout": (r".*", "clsh forwards no display"),
    "forwardx11trusted": (_FLAG, "clsh forwards no display"),
    "gatewayports": (_FLAG, "clsh makes no forwardings"),
    "gssapiauthentication": (r"(?i:no|false)", "off in asyncssh without a Kerberos library"),
    "gssapidelegatecredentials": (_FLAG, "nothing without GSSAPIAuthentication"),
    "gssapikeyexchange": (r"(?i:no|false)", "off in asyncssh without a Kerberos library"),
    "hashknownhosts": (_FLAG, "how new hosts are written; both spellings are read"),
    "ignoreunknown": (r".*", "what it names is judged by itself"),
    "ipqos": (r".*", "marks packets for routers"),
    "localforward": (r".*", "clsh makes no forwardings"),
    "loglevel": (_WORD, "clsh words the reasons itself"),
    "numberofpasswordprompts": (_NUMBER, "clsh asks once"),
    "permitlocalcommand": (r"(?i:no|false)", "the default"),
    "remoteforward": (r".*", "clsh makes no forwardings"),
    "serveralivecountmax": (_NUMBER, "clsh sets it: a dead link must be found in 8 s"),
    "serveraliveinterval": (_NUMBER, "clsh sets it: a dead link must be found in 8 s"),
    "stricthostkeychecking": (r"(?i:accept-new)", "the default of clsh"),
    "tunnel": (r"(?i:no|false)", "the default"),
    "updatehostkeys": (r".*", "learns more keys of a host that is known already"),
    "verifyhostkeydns": (r"(?i:no|false)", "the default"),
    "visualhostkey": (_FLAG, "for people who compare pictures"),
}
"""Unknown to asyncssh, or set by clsh itself, and without effect on what clsh does."""

_KNOWN = {**_NO_MATTER, **_SAME}
# Backslashes, single quotes and comments behind a value are read differently by the two.
_PLAIN = re.compile(r'[^\\\'"#]*|"[^\\\'"#\s]*"')
_HOSTS = re.compile(r"[\w.*?!:%\s-]+", re.ASCII)


def foreign(directives: Iterable[Directive], *, ticket: bool) -> Directive | None:
    """Return the first directive that asyncssh is not known to treat as OpenSSH does.

    `ticket` tells that the person has a Kerberos ticket, so that GSSAPI may be needed.
    """
    for directive in directives:
        if not _is_known(directive, ticket=ticket):
            return directive
    return None


def _is_known(directive: Directive, *, ticket: bool) -> bool:
    name, value = directive.name, directive.value
    if name == "match":
        return value.lower() == "all"
    if name == "host":
        return _HOSTS.fullmatch(value) is not None
    if name == "include":
        # asyncssh reads the files of one pattern in no certain order, and the first value
        # wins. Distributions ship such a line, with files that do not contradict each other.
        return directive.system or not re.search(r"[*?\[\\'#$%]", value)
    if name == "gssapiauthentication" and directive.system and not ticket:
        return True  # distributions switch it on for everyone
    entry = _KNOWN.get(name)
    return (
        entry is not None
        and _PLAIN.fullmatch(value) is not None
        and re.fullmatch(entry[0], value.replace('"', "")) is not None
    )


def jumps(text: str) -> list[str]:
    """Return the host names of a ProxyJump value, without users and ports."""
    if text.lower() == "none":
        return []
    hops: list[str] = []
    for hop in text.replace('"', "").split(","):
        host = hop.strip().removeprefix("ssh://").rpartition("@")[2]
        if host.startswith("["):
            host = host[1:].partition("]")[0]
        elif host.count(":") == 1:
            host = host.partition(":")[0]
        hops.append(host)
    return hops
