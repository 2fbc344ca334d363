"""The five levels: quantised encoders and float decoders on Keras 3 (JAX) with HGQ2.

Importing this package chooses Keras' JAX backend, because Keras would otherwise look for TensorFlow.
"""

import os

from hgcae.errors import MissingToolError

_chosen = os.environ.setdefault("KERAS_BACKEND", "jax")

import keras  # noqa: E402 - the backend has to be chosen first

if keras.backend.backend() != "jax":
    msg = f"KERAS_BACKEND={_chosen}: the models of hgcae train with JAX; unset KERAS_BACKEND or set it to jax"
    raise MissingToolError(msg)
