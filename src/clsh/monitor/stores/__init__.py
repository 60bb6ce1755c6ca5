"""One file for each kind of store; its name is the value of `store` in the configuration."""
