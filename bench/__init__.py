"""The figures that the README quotes, measured beside clush, pdsh, pssh and plain ssh.

One sshd on loopback, started here, serves every tool in one run; the tools take turns in
random order, and the tables give medians. `make bench`, or `make bench QUICK=1`.
"""
