"""What ``python -m fststyle bench`` measures."""
