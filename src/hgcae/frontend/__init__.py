"""The front-end electronics: how charges leave the detector."""
