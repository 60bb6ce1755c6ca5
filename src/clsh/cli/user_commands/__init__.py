"""The sub-commands of `cl` for users, tokens and the audit, one file each."""
