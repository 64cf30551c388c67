"""A page that stylizes in the browser: its files, its networks, a server; no torch."""
