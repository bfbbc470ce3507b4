"""The proxy: the real command in another process, spoken to by real clients and by raw sockets."""
