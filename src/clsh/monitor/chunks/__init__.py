"""How ticks become chunks, roll-ups and lines; no file is touched here."""
