"""Run commands on nodes: transports, fan-out, gathering, sessions kept open."""
