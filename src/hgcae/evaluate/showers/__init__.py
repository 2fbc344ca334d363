"""Whole showers: shapes, heads, separation, several showers in one event, energy mover's distance, borders of units."""
