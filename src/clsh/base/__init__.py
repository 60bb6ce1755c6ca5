"""What every room stands on: errors, configuration, paths, messages, plugins."""
