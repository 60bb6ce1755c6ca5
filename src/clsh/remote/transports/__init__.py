"""Ways to reach a node, one file each; the file's name is the configuration value."""
