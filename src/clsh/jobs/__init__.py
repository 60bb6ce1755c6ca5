"""Jobs: what users ask for, where it runs, what became of it."""
