"""What pages show: charts, heatmaps, tables of nodes, what is wrong."""
