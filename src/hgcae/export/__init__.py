"""What leaves the package for hardware: encoders in integers, and the vectors that test an implementation of them."""
