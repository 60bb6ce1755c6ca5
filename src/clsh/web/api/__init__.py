"""The JSON API: one table of routes, what each may be asked, and what it answers."""
