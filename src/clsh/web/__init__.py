"""The web page, the JSON API and the live updates of the manager."""
