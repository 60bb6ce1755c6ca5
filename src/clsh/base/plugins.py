"""Find an implementation by its name: the file name in a package is the name.

A built-in is `PACKAGE.NAME` with a `build` function; a third party registers the same
function as an entry point of group PACKAGE, which is looked at only when no built-in
has the name. Nothing is imported until it is asked for.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from typing import TYPE_CHECKING

from clsh.base.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.metadata import EntryPoint
    from typing import Any


def names(package: str) -> list[str]:
    """Return the built-in names in `package`, sorted; helpers (`_name`) are left out."""
    path = importlib.import_module(package).__path__
    return sorted(m.name for m in pkgutil.iter_modules(path) if not m.name.startswith("_"))


def is_registered(package: str, name: str) -> bool:
    """Tell whether a third party has registered `name`; nothing of it is imported."""
    return bool(_registered(package, name))


def find(package: str, name: str) -> Callable[..., Any]:
    """Return the `build` function of implementation `name`.

    Raises ConfigError when there is none, naming those that exist.
    """
    if name.isidentifier() and not name.startswith("_"):
        module = f"{package}.{name}"
        if importlib.util.find_spec(module) is not None:
            build: Callable[..., Any] = importlib.import_module(module).build
            return build
    for entry in _registered(package, name):
        loaded: Callable[..., Any] = entry.load()
        return loaded
    kind = package.rpartition(".")[2].rstrip("s")
    raise ConfigError(
        f"there is no {kind} named '{name}'",
        hint=f"choose one of: {', '.join(names(package))}",
    )


def _registered(package: str, name: str) -> list[EntryPoint]:
    from importlib import metadata  # costs 8 ms, and is seldom needed

    return [entry for entry in metadata.entry_points(group=package) if entry.name == name]
