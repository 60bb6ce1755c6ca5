"""The pages for one reader: to log in and out, and their sessions and tokens."""

from clsh.web.account.routes import routes

__all__ = ["routes"]
