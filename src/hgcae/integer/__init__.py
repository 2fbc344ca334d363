"""Quantised networks in integers, as hardware computes them, compiled for the processor; free of Keras."""
