"""Words on a terminal: `clsh` and `cl`."""
