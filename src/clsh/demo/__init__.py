"""A cluster on one machine, for a first try and for the integration tests."""
