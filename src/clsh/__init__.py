"""The cluster that you can reach over SSH, used as one machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = [
    "Cluster",
    "Executor",
    "Output",
    "Result",
    "Results",
    "Submitted",
    "asubmit",
    "run",
    "submit",
]

if TYPE_CHECKING:
    from clsh.cluster import Cluster, Output, Result, Results, run
    from clsh.executor import Executor
    from clsh.submitted import Submitted, asubmit, submit

_MODULES = {
    "Executor": "clsh.executor",
    "Submitted": "clsh.submitted",
    "asubmit": "clsh.submitted",
    "submit": "clsh.submitted",
}


def __getattr__(name: str) -> object:
    """Load the library when it is first used: the command line needs none of it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_MODULES.get(name, "clsh.cluster")), name)
