"""The cluster that you can reach over SSH, used as one machine."""

__version__ = "0.1.0"
