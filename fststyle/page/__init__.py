"""A page that stylizes in the browser: its files, its networks, a server for this machine; no torch."""
