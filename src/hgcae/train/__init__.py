"""Training: the stage table, the losses, and the loop that can stop and resume at any moment."""
