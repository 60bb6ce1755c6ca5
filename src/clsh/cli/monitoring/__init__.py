"""What the monitoring commands share: tables, charts, the live screen, and its feeds."""
