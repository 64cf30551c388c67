"""The networks: the one that is trained, and the frozen ones of its losses."""
