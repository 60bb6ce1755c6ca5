"""One file for each kind of source; its name is the value of `kind` in the configuration."""
