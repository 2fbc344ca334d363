"""What every implementation of a kind must do; the test class of an implementation inherits it."""
