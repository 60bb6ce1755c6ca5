"""The sub-commands of `cl` for jobs, one file each."""
