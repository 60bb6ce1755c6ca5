"""Import asyncssh in half the time: without looking for libraries that it can do without.

While it is imported asyncssh asks `ctypes.util` for liboqs and nettle, which runs ldconfig
and a C compiler where they are installed: 25 ms and more before the first connection. They
would add sntrup761 and UMAC; ML-KEM comes from `cryptography`, and the ciphers that are
asked for first bring their own authentication.
"""

from __future__ import annotations

import ctypes.util

_find_library = ctypes.util.find_library
ctypes.util.find_library = lambda name: None  # noqa: ARG005 - the name is asked for, not used
try:
    import asyncssh
finally:
    ctypes.util.find_library = _find_library

__all__ = ["asyncssh"]
