"""The rules of the providers: what is sent, what is read, and which error each fault becomes."""
