"""How output reaches its reader: lines and labels, files, reports, JSON, a status line."""
