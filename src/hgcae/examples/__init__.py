"""Worked examples: what the package's parts do on data that everybody knows."""
