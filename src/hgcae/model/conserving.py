"""A level that keeps its charge sum and barycentre."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import keras
import numpy as np
from numpy.typing import NDArray
from typing_extensions import override

from hgcae.codes import CodeFormat
from hgcae.coding.fixedpoint import integer_range
from hgcae.coding.sums import LOG_FRACTION, ROOT_BITS, UNITS, WEIGHT_ONE, SumCode
from hgcae.errors import SettingsError
from hgcae.integer.encoder import ConservingTables, IntegerEncoder
from hgcae.integer.kernels import MATRIX_BITS
from hgcae.integer.network import QuantisedNetwork
from hgcae.model import barycentre, layers, sums
from hgcae.model.frames import Frame
from hgcae.model.level import LevelModel
from hgcae.model.presets import ConservingSettings

_POSITION_ONE = 1 << 15
"""Fixed-point one of positions: shares add up to at most 12 bits, so 16 bits of position stay within 32."""
_NOTHING = -1e9
"""Logarithm of the share of a child that is to have no charge."""
_MATRIX_ONE = 1 << MATRIX_BITS
"""Fixed-point one of the maps between frames."""


class ConservingLevel(LevelModel):
    """A level that keeps its charge sum and barycentre: they are numbers of the code, and the decoder returns shares of the sum.

    The decoder's charges have the barycentre that was sent: shares of trigger cells, and of layers in depth, are tilted until they have it;
    in the plane, children with barycentres of their own are shifted, see `hgcae.model.barycentre`.

    Args:
        name: Name of the level.
        children: Number of children.
        settings: Widths and formats.
        below: The level of the children, None at the lowest.
        frame: Positions of the children; None only where the settings ask for no barycentre.
        maximum: Largest charge sum of a unit that is coded without saturation, ADC counts (times the children's weights).
        lsb: Least significant bit of charges, ADC counts.
        child_weight: Weight of each child's sum, e.g. energy per MIP of the layers; None = 1. The sum that is sent and preserved is the
            weighted one.

    Raises:
        SettingsError: A barycentre is asked for where positions are unknown, or a depth of children that do not lie over one another.
    """

    def __init__(
        self,
        name: str,
        children: int,
        settings: ConservingSettings,
        below: ConservingLevel | None,
        frame: Frame | None,
        maximum: float,
        lsb: float = 1.0,
        child_weight: NDArray[np.float64] | None = None,
    ) -> None:
        if settings.barycentre and frame is None:
            msg = f"model: {name}: barycentre: the positions of the trigger cells are unknown; set it to false"
            raise SettingsError(msg)
        if settings.depth and not (frame is not None and frame.stacked):
            msg = f"model: {name}: depth: its children do not lie over one another; set it to false"
            raise SettingsError(msg)
        self.name, self.children, self.settings, self.below, self.lsb = name, children, settings, below, lsb
        self.frame = frame if settings.barycentre else None
        self.sums = SumCode(maximum / lsb, settings.widths[0])
        fractions = np.array(settings.widths[1:], dtype=np.int64) - 1
        lowest, steps = np.append(0, -(1 << fractions)), np.append(1.0, 2.0**-fractions)
        self.format = CodeFormat(np.array(settings.widths), lowest.astype(np.int32), steps.astype(np.float32))
        self.child_weight = sums.integer_weights(child_weight)
        self._numbers_below = 0 if below is None else below.latent - 1
        self._follows = self.frame is not None and below is not None and below.frame is not None
        self._n_features = children * (1 + 2 * self._numbers_below) + 1
        self.encoder = self._build_encoder()
        with layers.precision(settings.precision):
            self.decoder = self._build_decoder()

    def _build_encoder(self) -> keras.Model:
        s, prefix = self.settings, f"{self.name}_encoder"
        first: Any = keras.Input((self._n_features,))
        if not s.learned:
            return keras.Model(first, first[:, :0], name=prefix)
        x = layers.quantised_dense(first, (*s.encoder, s.learned), s.weight, s.feature, s.activation, s.number, prefix)
        return keras.Model(first, x, name=prefix)

    def _build_decoder(self) -> keras.Model:
        s, prefix, outputs = self.settings, f"{self.name}_decoder", 1 + self._numbers_below
        first = keras.Input((s.latent,))
        near = keras.Input((self.children, 3)) if self.frame is not None else None
        parts = [first] if near is None else [first, keras.layers.Flatten()(near)]
        x = keras.layers.Concatenate()(parts) if near is not None else first
        if s.child_decoder:
            x = layers.float_dense(x, s.decoder, prefix, last_activation="relu")
            x = layers.EachChild(self.children, 16, name=f"{prefix}_each")(x)
            x = x if near is None else keras.layers.Concatenate()([x, near])
            x = layers.float_dense(x, (*s.child_decoder, outputs), f"{prefix}_child")
        else:
            x = layers.float_dense(x, (*s.decoder, self.children * outputs), prefix)
            x = keras.layers.Reshape((self.children, outputs))(x)
        return keras.Model(first if near is None else [first, near], x, name=prefix)

    @property
    def relative_weight(self) -> NDArray[np.float64] | float:
        """Weights of the children's sums, 1 = none."""
        return 1.0 if self.child_weight is None else self.child_weight / WEIGHT_ONE

    def _child_sums(self, x: Any) -> Any:
        """Returns the children's weighted sums (n, children), int32 sixteenths of the LSB."""
        total = sums.from_charge(x, self.lsb) if self.below is None else sums.decode(self.below.sums, x[..., 0])
        return sums.weighted(total, self.child_weight)

    def features(self, x: Any) -> tuple[Any, Any]:
        """Returns the encoder's input (n, n_features) and the children's sums (n, children) in sixteenths of the LSB.

        Per child the root of its share and, above the lowest level, its numbers with and without that weight; then the logarithm of the
        sum.
        """
        child = self._child_sums(x)
        root, log = sums.normalised(child)
        parts = [root]
        if self.below is not None:
            numbers = x[..., 1:]
            parts += [jnp.reshape(part, (part.shape[0], -1)) for part in (numbers * root[..., None], numbers)]
        return jnp.concatenate([*parts, log[:, None]], axis=1), child

    def _barycentre(self, frame: Frame, child: Any, x: Any) -> Any:
        """Returns the barycentre (n, 2 or 3) on the grid of the code's numbers, from the children's sums and codes."""
        position: Any = jnp.asarray(self._position(frame))
        if self._follows and self.below is not None:
            own = jnp.round(x[..., 1:3] / self.below.settings.position.step).astype(jnp.int32)
            # Shifting down rounds towards minus infinity, as an arithmetic shift in hardware does.
            position = position + jnp.sum(own[..., None, :] * jnp.asarray(self._matrix(frame)), axis=-1) // _MATRIX_ONE
        mean = sums.barycentre(child, position)
        top = self._tops
        step = _POSITION_ONE // top
        return jnp.clip((2 * mean + step) // (2 * step), -top, top - 1).astype(jnp.float32) / top

    @override
    def encode(self, x: Any, training: bool = False) -> Any:
        features, child = self.features(x)
        total = jnp.sum(child, axis=1)
        parts = [] if self.frame is None else [self._barycentre(self.frame, child, x)]
        learned: Any = self.encoder(features, training=training)
        numbers = jnp.concatenate([*parts, learned], axis=1)
        return jnp.concatenate([sums.encode(self.sums, total)[:, None], jnp.where(total[:, None] > 0, numbers, 0.0)], axis=1)

    @override
    def state(self, code: Any) -> Any:
        return jnp.concatenate([sums.to_lsb(self.sums, code[:, :1]) * self.lsb, code[:, 1:]], axis=1)

    @override
    def code(self, state: Any) -> Any:
        return jnp.concatenate([sums.from_lsb(self.sums, state[..., :1] / self.lsb), state[..., 1:]], axis=-1)

    @override
    def decode(self, state: Any, present: Any = None, smallest: Any = None) -> Any:
        """Returns charges or children's states, see `LevelModel.decode`.

        Children with less charge than `smallest` (n,) get none, but for the largest: units before the barycentre is set, which they would
        move; trigger cells after it, because a tilt needs even the smallest.
        """
        total = state[:, :1]
        inputs: Any = jnp.concatenate([jnp.log2(total / self.lsb + 1) / 8 - 1, state[:, 1:]], axis=1)
        near = None if self.frame is None else barycentre.towards_children(self.frame, state[:, 1:3])
        out: Any = keras.ops.cast(self.decoder(inputs if near is None else [inputs, near]), "float32")
        logits = out[..., 0]
        if present is not None:
            logits = jnp.where(present, logits, _NOTHING)
        if self.below is not None:
            logits = self._without(logits, total, smallest)
        if self.frame is not None and self.below is None:
            logits = barycentre.tilted(logits, self.frame.centre, state[:, 1:3])
        if self.frame is not None and self.settings.depth:
            logits = barycentre.tilted(logits, self.frame.depth[:, None], state[:, 3:4])
        numbers = jnp.tanh(out[..., 1:])
        if self.frame is not None and near is not None and self._follows:
            # The unit's barycentre, seen from the child, is the first guess of the child's.
            guess = jnp.clip(near[..., :2], -1, 1) + numbers[..., :2]
            logits, place = barycentre.settled(self.frame, logits, guess, state[:, 1:3])
            numbers = jnp.concatenate([place, numbers[..., 2:]], axis=-1)
        if self.below is None:
            return self._charges(self._without(logits, total, smallest), total)
        return jnp.concatenate([self._charges(logits, total)[..., None], numbers], axis=-1)

    def _charges(self, logits: Any, total: Any) -> Any:
        """Returns the children's charges (n, children): their shares of the unit's sum (n, 1), without the weights that it has."""
        return keras.ops.softmax(logits) * total / self.relative_weight

    def _without(self, logits: Any, total: Any, smallest: Any) -> Any:
        """Takes the shares of children that are smaller than `smallest` (n,) and not the largest; None = of none."""
        if smallest is None:
            return logits
        charge = self._charges(logits, total)
        return jnp.where((charge >= smallest[:, None]) | (charge == charge.max(axis=1, keepdims=True)), logits, _NOTHING)

    @override
    def quantised_network(self) -> QuantisedNetwork:
        s, arrays = self.settings, [np.asarray(v.value) for v in self.encoder.trainable_variables]
        dense = zip(arrays[::2], arrays[1::2], strict=True)
        return QuantisedNetwork.of_floats(dense, s.weight, s.feature, s.activation, s.number)

    @override
    def integer_encoder(self) -> IntegerEncoder:
        s, frame = self.settings, self.frame
        given = np.zeros(0) if self.below is None else self.below.format.widths[1:] - 1
        native = np.array((ROOT_BITS, LOG_FRACTION)), np.stack([ROOT_BITS + given, given])
        scales, numbers = ((2.0 ** (s.feature.fraction - bits)).astype(np.float32) for bits in native)
        weight = np.full(self.children, WEIGHT_ONE) if self.child_weight is None else self.child_weight
        one = np.ones((1, self.children))
        matrix = self._matrix(frame) if self._follows and frame is not None else np.zeros((0, 2, 2))
        tables = ConservingTables(
            n_inputs=self._n_features,
            scale=np.float32(UNITS / self.lsb),
            below=np.zeros(0) if self.below is None else self.below.sums.table.astype(np.float64),
            thresholds=self.sums.thresholds.astype(np.float64),
            weight=weight.astype(np.float64),
            scales=scales,
            numbers=numbers,
            limits=np.array(integer_range(s.feature), dtype=np.float32),
            position=one if frame is None else np.concatenate([one, self._position(frame).T.astype(np.float64)]),
            matrix=matrix.astype(np.float64),
            top=self._tops.astype(np.float64),
            step=(_POSITION_ONE // self._tops).astype(np.float64),
        )
        return IntegerEncoder(self.quantised_network().network(), tables)

    @property
    def _tops(self) -> NDArray[np.int32]:
        """Codes of each coordinate of the barycentre on either side of zero."""
        return np.array([1 << (bits - 1) for bits in self.settings.coordinates], dtype=np.int32)

    def _position(self, frame: Frame) -> NDArray[np.int32]:
        """Returns the places of the children (children, 2 or 3), fixed point."""
        place = np.column_stack([frame.centre, frame.depth]) if self.settings.depth else frame.centre
        return np.round(place * _POSITION_ONE).astype(np.int32)

    def _matrix(self, frame: Frame) -> NDArray[np.int32]:
        """Returns the fixed-point maps from the children's own barycentres, zero where a child has no frame of its own.

        (children, 2 or 3, 2): a child's own barycentre says nothing of the depth.
        """
        matrix = np.zeros((self.children, len(self._tops), 2), dtype=np.int32)
        if frame.matrix is not None and self.below is not None:
            matrix[:, :2] = np.round(frame.matrix * _POSITION_ONE * self.below.settings.position.step * _MATRIX_ONE)
        return matrix
