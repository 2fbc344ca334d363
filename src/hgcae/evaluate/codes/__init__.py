"""Codes themselves: their bits, entropy coding, what their numbers mean, and how many dimensions they have."""
