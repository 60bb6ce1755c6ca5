"""What the engine `remote` is made of: node-side scripts, their words, one link a node."""
