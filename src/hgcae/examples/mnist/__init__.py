"""The introductory example: handwritten digits, 28 x 28, to a few numbers and back; `SetupExampleModel NDIM`.

It asks on a sample of seconds what the rest of the package asks of calorimeter data: how many numbers does a picture need, and which
network and cost function find them?
"""

import hgcae.model  # noqa: F401 - it chooses the backend, before any module here imports Keras
