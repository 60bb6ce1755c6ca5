"""The sub-commands of `cl`, one file each."""
