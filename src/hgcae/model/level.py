"""One level: a quantised encoder from the children of a unit to its code, and a float decoder back to the children.

Two vectors stand for a unit. Its **code** is what is sent: (n, latent) float32 holding grid values. Its **state** is what decoders work
with; for `ConservingLevel` it holds the charge sum in ADC counts where the code holds the number that is sent for it. The children of the
lowest level are trigger cells: their code and state is the charge.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import keras

from hgcae.codes import CodeFormat
from hgcae.integer.encoder import IntegerEncoder
from hgcae.integer.network import QuantisedNetwork


class LevelModel(ABC):
    """Encoder and decoder of one level.

    Attributes:
        name: Name of the level.
        children: Number of children of a unit.
        format: How the numbers of the code are written: as integers, and as the words that are packed.
        encoder: Keras model of the learned part of the encoder.
        decoder: Keras model of the learned part of the decoder.
    """

    name: str
    children: int
    format: CodeFormat
    encoder: keras.Model
    decoder: keras.Model

    @abstractmethod
    def encode(self, x: Any, training: bool = False) -> Any:
        """Returns codes (n, latent) of units given as charges (n, children) or children's codes (n, children, latent_below)."""

    @abstractmethod
    def state(self, code: Any) -> Any:
        """Returns the states (n, latent) of codes (n, latent)."""

    @abstractmethod
    def code(self, state: Any) -> Any:
        """Returns codes (n, latent) of decoded states, not rounded to the grid: the inverse of `state`."""

    @abstractmethod
    def decode(self, state: Any, present: Any = None) -> Any:
        """Returns charges (n, children) or children's states (n, children, latent_below) of states (n, latent).

        `present` (n, children) says which children exist; None = all.
        """

    @abstractmethod
    def quantised_network(self) -> QuantisedNetwork:
        """Returns the learned part of the encoder as it is now; `hgcae.integer.cost` counts what it costs."""

    @abstractmethod
    def integer_encoder(self) -> IntegerEncoder:
        """Returns the encoder as it is now, in integers; it takes charges, or the integers of the children's codes."""

    @property
    def latent(self) -> int:
        """Numbers in the code."""
        return len(self.format.widths)

    @property
    def bits_per_unit(self) -> int:
        """Bits of the code."""
        return self.format.bits

    @property
    def variables(self) -> list[keras.Variable]:
        """All variables of encoder and decoder, the constants of quantisers included."""
        return [*self.encoder.variables, *self.decoder.variables]

    @property
    def weights(self) -> list[keras.Variable]:
        """The trainable variables of encoder and decoder."""
        return [*self.encoder.trainable_variables, *self.decoder.trainable_variables]
