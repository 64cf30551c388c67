"""Depth of photos: the networks as functions, their maps as pictures and as weights."""
