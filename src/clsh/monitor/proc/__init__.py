"""What a Linux node tells of itself in /proc: the script that reads it, the pure parsers."""
