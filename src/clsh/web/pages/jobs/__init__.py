"""The pages of jobs: the list, one job, the form; everybody sees their own, administrators all."""

from clsh.web.pages.jobs.serving import routes

__all__ = ["routes"]
