"""Who may ask what: logins, sessions, tokens, and the users that only we know."""
