"""What make runs: environment, packages, generated files. Nothing of it is installed."""
