"""What the nodes do: sources tell, the grid knows, a store remembers, alerts warn."""
