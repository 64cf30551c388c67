"""Moving pictures: read, stylized, written; cameras live."""
