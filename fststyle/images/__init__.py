"""Pictures with NumPy and Pillow: files, sizes, sheets."""
