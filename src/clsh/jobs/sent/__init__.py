"""Files that are sent along with jobs: taken, kept for a time, put on nodes before the start."""
