"""How are neighbouring units best aggregated? The study behind `hgcae scan merge`."""
