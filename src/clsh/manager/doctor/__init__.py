"""What keeps a manager or a node from doing its part, and the command that mends it."""
