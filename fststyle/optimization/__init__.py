"""The per-image baseline: a picture's own pixels, optimized (Gatys et al. 2016)."""
