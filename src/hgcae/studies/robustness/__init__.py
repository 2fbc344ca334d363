"""What does a model do with events unlike those of its training, and with flipped bits? The study behind `hgcae stress`."""
