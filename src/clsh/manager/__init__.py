"""The manager: one process that hears the nodes, keeps what it hears, and shows it."""
