"""What style, content and depth cost, and where in the picture."""
