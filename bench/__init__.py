"""The figures that the README quotes, measured beside clush, pdsh, pssh and plain ssh.

One sshd on loopback, started here, serves every tool in one run; the tools take turns in
random order, and the tables give medians. `make bench`, or `make bench QUICK=1`.

Jobs (`make bench ONLY=jobs`) are measured beside Slurm, task-spooler and HyperQueue, on nodes in
namespaces that are started here too.
"""
