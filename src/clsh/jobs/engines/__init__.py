"""The engines: each file is one way to run tasks, its name the configuration's value."""
