"""Ganglia's formats: the XML of gmond and gmetad, gmond's packets, and its units."""
