"""Mutated inputs for every reader of hgcae: `make fuzz` tries 10,000 of them, the test suite a few hundred.

`mutate` changes bytes and structures, `targets` says what is read and how, `runner` tries cases in forked workers and watches them.
"""

import os

# As for the other tests: Keras reads its backend at its first import, and JAX looks for accelerators at its first use.
os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
