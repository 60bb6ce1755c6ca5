"""PAM, by which users log in as on the machine itself (pam(3)); the library is called by hand.

Only root and the group shadow may check everybody's password. A service that has no file
silently becomes `other`, so its file must be there.
"""

from __future__ import annotations

import ctypes
import os
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_int, c_size_t, c_uint, c_void_p
from pathlib import Path
from typing import Any

from clsh.base.errors import ClshError, ConfigError, UsageError
from clsh.base.users import login_name

LIBRARY = "libpam.so.0"
EXAMPLE = Path(__file__).with_name("clsh.pam")
_DIRECTORIES = (Path("/etc/pam.d"), Path("/usr/lib/pam.d"))

_SUCCESS, _BUFFER_ERROR, _CONVERSATION_ERROR = 0, 5, 19
_SYSTEM_ERRORS = {1, 2, 3, 4, 5, 26, 28}  # no module, no memory: not the user's fault
_USER, _RHOST, _FAIL_DELAY = 2, 4, 10
_HIDDEN_PROMPT, _SHOWN_PROMPT = 1, 2


class _Message(Structure):
    _fields_ = (("style", c_int), ("text", c_char_p))


class _Response(Structure):
    _fields_ = (("text", c_void_p), ("code", c_int))


_Ask = CFUNCTYPE(c_int, c_int, POINTER(POINTER(_Message)), POINTER(POINTER(_Response)), c_void_p)
_Delay = CFUNCTYPE(None, c_int, c_uint, c_void_p)


class _Conversation(Structure):
    _fields_ = (("ask", _Ask), ("data", c_void_p))


class PamError(ClshError):
    """PAM cannot say whether a password is right."""


class Pam:
    """One service of PAM; `check` blocks, and may be called from several threads at once."""

    def __init__(self, service: str) -> None:
        self._service = service.encode()
        self._pam, self._libc = _libraries()

    def check(self, name: str, password: str, address: str) -> str | None:
        """Return the login name of whom PAM lets in, None for everybody else.

        Raises PamError when it cannot tell.
        """
        if not password or "\0" in password:
            return None
        talk = _Talk(self._libc, password.encode("utf-8", "surrogateescape"))
        conversation = _Conversation(_Ask(talk), None)
        handle = c_void_p()
        # A wrong password must not hold a thread for seconds: we wait elsewhere.
        no_delay = _Delay(_wait_not)
        pam = self._pam
        self._good(
            pam.pam_start(self._service, name.encode(), byref(conversation), byref(handle)), name
        )
        code = _SUCCESS
        try:
            pam.pam_set_item(handle, _FAIL_DELAY, ctypes.cast(no_delay, c_void_p))
            pam.pam_set_item(handle, _RHOST, c_char_p(address.encode()))
            code = pam.pam_authenticate(handle, 0)
            if code == _SUCCESS:
                code = pam.pam_acct_mgmt(handle, 0)
            return self._user(handle) if self._good(code, name) else None
        finally:
            pam.pam_end(handle, code)

    def _user(self, handle: c_void_p) -> str | None:
        """Return who it was that was let in: a module may have changed the name."""
        held = c_void_p()
        self._good(self._pam.pam_get_item(handle, _USER, byref(held)), "?")
        try:
            return login_name((ctypes.string_at(held.value) if held.value else b"").decode())
        except (UsageError, UnicodeDecodeError):
            return None

    def _good(self, code: int, name: str) -> bool:
        if code in _SYSTEM_ERRORS:
            text = self._pam.pam_strerror(None, code).decode(errors="replace")
            raise PamError(
                f"PAM cannot check {name}: {text}",
                hint=f"look at /etc/pam.d/{self._service.decode()} and the system's log",
            )
        return bool(code == _SUCCESS)


def _wait_not(_code: int, _wait_us: int, _data: Any) -> None:
    pass


class _Talk:
    """Answers PAM's one question; to any other it says nothing, and is not let in.

    The answers are C's memory, which PAM gives back.
    """

    def __init__(self, libc: Any, password: bytes) -> None:
        self._libc = libc
        self._password = password
        self._asked = 0

    def __call__(self, count: int, messages: Any, responses: Any, _data: Any) -> int:
        styles = [messages[number].contents.style for number in range(count)]
        self._asked += styles.count(_HIDDEN_PROMPT)
        if self._asked > 1 or _SHOWN_PROMPT in styles:
            return _CONVERSATION_ERROR
        held = self._libc.calloc(count, ctypes.sizeof(_Response))
        if not held:
            return _BUFFER_ERROR
        given = ctypes.cast(held, POINTER(_Response))
        for number, style in enumerate(styles):
            if style == _HIDDEN_PROMPT:
                given[number].text = self._libc.strdup(self._password)
        responses[0] = given
        return _SUCCESS


def why_not(service: str, directories: tuple[Path, ...] = _DIRECTORIES) -> ConfigError | None:
    """Return what keeps us from using PAM with this service, None if nothing does."""
    if not _may():
        return ConfigError(
            "PAM is for root and the group shadow",
            hint="run the manager as root, or add its user to the group shadow",
        )
    try:
        _libraries()
    except OSError as error:
        return ConfigError(f"PAM is not here: {error}", hint='write [access] pam = "off"')
    if not any((one / service).is_file() for one in directories):
        return ConfigError(
            f"PAM has no service {service!r}",
            hint=f"cp {EXAMPLE} {directories[0] / service}",
        )
    return None


def _may() -> bool:
    import grp

    if os.geteuid() == 0:
        return True
    try:
        return grp.getgrnam("shadow").gr_gid in {os.getegid(), *os.getgroups()}
    except KeyError:
        return False


def _libraries() -> tuple[Any, Any]:
    """Return libpam and the C library; raises OSError when there is no PAM."""
    pam, libc = ctypes.CDLL(LIBRARY), ctypes.CDLL(None)
    libc.calloc.restype, libc.calloc.argtypes = c_void_p, (c_size_t, c_size_t)
    libc.strdup.restype, libc.strdup.argtypes = c_void_p, (c_char_p,)
    for name, types in (
        ("pam_start", (c_char_p, c_char_p, c_void_p, c_void_p)),
        ("pam_set_item", (c_void_p, c_int, c_void_p)),
        ("pam_get_item", (c_void_p, c_int, c_void_p)),
        ("pam_authenticate", (c_void_p, c_int)),
        ("pam_acct_mgmt", (c_void_p, c_int)),
        ("pam_end", (c_void_p, c_int)),
        ("pam_strerror", (c_void_p, c_int)),
    ):
        getattr(pam, name).argtypes = types
    pam.pam_strerror.restype = c_char_p
    return pam, libc
