"""Files with networks in them: ours and others'."""
