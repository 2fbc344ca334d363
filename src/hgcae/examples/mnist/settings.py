"""Settings of the example, and where its files go."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hgcae.settings import Settings

Architecture = Literal["dense", "convolutional"]
Cost = Literal["squared_error", "cross_entropy", "structural_similarity"]

PIXELS = 28
"""Height and width of an image."""


class ExampleSettings(Settings):
    """One autoencoder of digits: what it looks like and how it is trained."""

    ndim: int = Field(ge=1, le=PIXELS**2, description="Numbers in the code of an image.")
    data: str = Field(default="auto", description="auto, keras, digits or an npz file; see `hgcae.examples.mnist.data.load`.")
    architecture: Architecture = Field(default="dense", description="Fully connected, or convolutions of stride 2 and their mirror image.")
    cost: Cost = Field(default="squared_error", description="What the training minimises.")
    quantised: bool = Field(default=False, description="Encoder in fixed-point numbers, 8 bits for each number of the code.")
    epochs: int = Field(default=50, ge=1, description="Passes through the training images.")
    every: int = Field(default=5, ge=1, description="Epochs from one picture to the next; the first shows epoch 0, the last the end.")
    batch: int | None = Field(default=None, ge=1, description="Images in a step; default a hundredth of the training images, 16 to 128.")
    learning_rate: float = Field(default=2e-3, gt=0, description="Adam's largest learning rate; it falls along a cosine.")
    seed: int = Field(default=1, ge=0, description="Start of the random numbers.")

    @property
    def name(self) -> str:
        """Folder of the files: the number of dimensions, and a fingerprint where anything else differs from the default."""
        usual = self == ExampleSettings(ndim=self.ndim)
        return f"{self.ndim}" if usual else f"{self.ndim}-{self.fingerprint()[:8]}"

    @property
    def pictures(self) -> tuple[int, ...]:
        """Epochs after which test images are drawn; 0 is before the training."""
        return tuple(sorted({*range(0, self.epochs + 1, self.every), self.epochs}))
