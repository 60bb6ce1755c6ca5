"""Names of nodes, sets of them, and where they are written down."""
