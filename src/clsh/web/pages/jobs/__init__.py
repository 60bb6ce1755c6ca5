"""The pages of jobs: the list, one job, the form; everybody sees their own, administrators all."""

from clsh.web.pages.jobs.service import Service
from clsh.web.pages.jobs.serving import routes

__all__ = ["Service", "routes"]
