"""How many numbers and bits does the code of a level need? The study behind `hgcae scan dimension`."""
