"""The five levels: quantised encoders and float decoders on Keras 3 (JAX) with HGQ2.

Importing this package imports Keras and JAX as `hgcae.model.runtime` says, before any module here does.
"""

from hgcae.model import runtime

runtime.load()
