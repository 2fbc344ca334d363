"""Where charges are: the hexagonal lattice, the module, the detector and the levels of the trigger chain."""
