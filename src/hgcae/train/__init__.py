"""Training: the stage table, the losses, and the loop that can stop and resume at any moment; and the codecs of modules that learn."""

import hgcae.model  # noqa: F401 - it chooses the backend, before any module here imports Keras
