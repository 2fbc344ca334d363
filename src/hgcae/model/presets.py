"""Settings of a model and the two presets: `original`, the published network, and `l1`, made for the trigger."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from hgcae.coding.fixedpoint import FixedPoint
from hgcae.coding.floatcode import FLOAT_4E3M
from hgcae.errors import SettingsError
from hgcae.geometry.hierarchy import Hierarchy
from hgcae.model.original import WeightScale
from hgcae.settings import Settings

Precision = Literal["float32", "bfloat16"]
"""Type of a product: float32, or bfloat16 for the matrix units of GPUs."""


class ConservingSettings(Settings):
    """A level whose code is its charge sum, its barycentre and learned numbers, and whose decoder returns shares of that sum."""

    kind: Literal["conserving"] = "conserving"
    latent: int = Field(default=8, ge=1, le=4096, description="Numbers in the code, sum and barycentre included.")
    barycentre: bool = Field(default=True, description="Send the barycentre of the charge as two of the numbers.")
    depth: bool = Field(
        default=False, description="Send the mean depth of the charge as a third coordinate; for children that lie over one another."
    )
    bits: int = Field(default=9, ge=2, le=16, description="Bits of each number.")
    sum_bits: int | None = Field(default=None, ge=2, le=16, description="Bits of the sum; by default `bits`.")
    position_bits: int | None = Field(default=None, ge=2, le=16, description="Bits of a coordinate of the barycentre; by default `bits`.")
    encoder: tuple[int, ...] = Field(default=(32, 24), description="Widths of the hidden encoder layers.")
    decoder: tuple[int, ...] = Field(default=(256, 256), description="Widths of the hidden decoder layers (float).")
    child_decoder: tuple[int, ...] = Field(default=(), description="Widths of a decoder part that all children share; () = none.")
    weight: FixedPoint = Field(default=FixedPoint(bits=8, integer=1), description="Format of encoder weights and biases.")
    activation: FixedPoint = Field(default=FixedPoint(bits=8, integer=2, signed=False), description="Format of hidden activations.")
    feature: FixedPoint = Field(default=FixedPoint(bits=10, integer=1), description="Format of the encoder's input.")
    precision: Precision = Field(default="float32", description="Type in which the decoder multiplies; its weights stay float32.")

    @model_validator(mode="after")
    def _room(self) -> ConservingSettings:
        if self.depth and not self.barycentre:
            msg = "depth = true needs barycentre: true, of which the depth is the third coordinate"
            raise ValueError(msg)
        if self.learned < 0:
            given = (
                "sum, barycentre and depth; use 4 or more, or depth" if self.depth else "sum and barycentre; use 3 or more, or barycentre"
            )
            msg = f"latent = {self.latent} leaves no room for {given}: false"
            raise ValueError(msg)
        return self

    @property
    def learned(self) -> int:
        """Numbers that the encoder learns."""
        return self.latent - 1 - len(self.coordinates)

    @property
    def coordinates(self) -> tuple[int, ...]:
        """Bits of each coordinate of the barycentre: in the plane, and in depth, which has as many as a learned number."""
        return (*[self.position.bits] * (2 * self.barycentre), *[self.bits] * self.depth)

    @property
    def widths(self) -> tuple[int, ...]:
        """Bits of each number of the code: the sum, the barycentre, what is learned."""
        return (self.sum_bits or self.bits, *self.coordinates, *[self.bits] * self.learned)

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each number of the code."""
        coordinates = ("barycentre x", "barycentre y", "mean depth")[: len(self.coordinates)]
        return ("sum", *coordinates, *(f"learned {i + 1}" for i in range(self.learned)))

    @property
    def bits_per_unit(self) -> int:
        """Bits of the code of one unit."""
        return sum(self.widths)

    @property
    def number(self) -> FixedPoint:
        """Format of the learned numbers: signed, in [-1, 1)."""
        return FixedPoint(bits=self.bits, integer=0)

    @property
    def position(self) -> FixedPoint:
        """Format of the barycentre in the plane: signed, in [-1, 1)."""
        return FixedPoint(bits=self.position_bits or self.bits, integer=0)


class PlainSettings(Settings):
    """A level of the original network: the children's raw numbers in, linear numbers (or charges) out."""

    kind: Literal["plain"] = "plain"
    latent: int = Field(default=8, ge=1, le=4096, description="Numbers in the code.")
    convolutions: tuple[int, ...] = Field(
        default=(), description="Filters of 2 x 2 convolutions before the dense layers (lowest level only)."
    )
    encoder: tuple[int, ...] = Field(default=(32, 64, 128, 256), description="Widths of the hidden encoder layers.")
    decoder: tuple[int, ...] = Field(default=(256, 128, 64, 32), description="Widths of the hidden decoder layers (float).")
    weight: FixedPoint = Field(default=FixedPoint(bits=9, integer=6), description="Format of encoder weights and biases.")
    weight_scale: WeightScale = Field(
        default="auto_po2",
        description="Steps of a kernel. `auto_po2`: a power of two for each filter, fitted to its values, as in QKeras' layers. `fixed`: "
        "those of its format.",
    )
    activation: FixedPoint = Field(default=FixedPoint(bits=9, integer=6, signed=False), description="Format of hidden activations.")
    feature: FixedPoint = Field(default=FixedPoint(bits=24, integer=16), description="Format of the encoder's input.")
    number: FixedPoint = Field(default=FixedPoint(bits=9, integer=6), description="Format of the numbers of the code.")
    precision: Precision = Field(default="float32", description="Type in which the decoder multiplies; its weights stay float32.")

    @property
    def widths(self) -> tuple[int, ...]:
        """Bits of each number of the code."""
        return (self.number.bits,) * self.latent

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each number of the code."""
        return tuple(f"learned {i + 1}" for i in range(self.latent))

    @property
    def bits_per_unit(self) -> int:
        """Bits of the code of one unit."""
        return sum(self.widths)


LevelSettings = Annotated[ConservingSettings | PlainSettings, Field(discriminator="kind")]


class ModelSettings(Settings):
    """Encoders and decoders of all levels, lowest first by name."""

    preset: str
    levels: dict[str, LevelSettings]
    digi: Literal["charges", "codes"] = Field(
        default="charges",
        description="What plain levels see of trigger cells, and compare in their loss. `codes`: the 4E3M codes of half the ADC counts, as "
        "the original programs; decoded numbers become charges again.",
    )


def original_preset(hierarchy: Hierarchy, latent: int = 8, precision: Precision = "float32") -> ModelSettings:
    """Returns the original hierarchical autoencoder, layer by layer."""
    common: dict[str, Any] = {"latent": latent, "precision": precision}
    code = FixedPoint(bits=FLOAT_4E3M.bits, integer=FLOAT_4E3M.bits, signed=False)
    lowest = PlainSettings(convolutions=(64, 64, 64), encoder=(128, 256), decoder=(256, 128), feature=code, **common)
    rest = {name: PlainSettings(feature=lowest.number, **common) for name in hierarchy.names[1:]}
    return ModelSettings(preset="original", levels={hierarchy.names[0]: lowest, **rest}, digi="codes")


def l1_preset(
    hierarchy: Hierarchy,
    latent: int = 8,
    bits: int = 9,
    barycentre: bool = True,
    precision: Precision = "float32",
    depth: bool = False,
) -> ModelSettings:
    """Returns the hardware-minded default.

    ROC and MODULE encoders fit a front-end chip (about 1,500 and 4,600 weights); the levels above sit in FPGAs and are wider. All numbers
    have `bits` bits, but for the root's: see `_event_widths`.

    Args:
        hierarchy: The levels.
        latent: Numbers of a code.
        bits: Bits of a number, on average.
        barycentre: Whether positions are known, so that codes can have a barycentre.
        precision: Type in which decoders multiply.
        depth: Whether the children of the root are layers, so that its code can have a depth; a code of three numbers has none.

    Raises:
        SettingsError: So few numbers or so many bits are impossible.
    """
    common = {"latent": latent, "bits": bits, "barycentre": barycentre, "precision": precision}
    fpga = common | {"weight": FixedPoint(bits=10, integer=1), "activation": FixedPoint(bits=10, integer=3, signed=False)}
    front_end = [common | {"encoder": (32, 24)}, common | {"encoder": (64, 32)}]
    few = fpga | {"encoder": (128, 64)}
    many = fpga | {"encoder": (256, 128), "decoder": (256, 64), "child_decoder": (128, 128)}
    upper = [few if level.children <= 4 else many for level in hierarchy.levels[len(front_end) :]]
    if upper and barycentre:
        upper[-1] = upper[-1] | _event_widths(latent, bits) | {"depth": depth and latent > 3}
    values = dict(zip(hierarchy.names, [*front_end, *upper], strict=False))
    return ModelSettings(preset="l1", levels={name: ConservingSettings.load(value, f"model: {name}") for name, value in values.items()})


def _event_widths(latent: int, bits: int) -> dict[str, int]:
    """Returns the bits of the numbers of the root's code, as many as in equal parts.

    Its barycentre spans the whole plane: on `prototype` steps of nine bits are 3.2 mm wide, which alone shifts it by 0.92 mm and made the
    azimuth of electrons 1.67 instead of 1.27 mrad wide; nine bits of the sum cost 0.3 % of the energy (docs/levels.md). So each other
    number gives one bit: of eight numbers the sum takes one, each coordinate of the plane two.
    """
    given = latent - 3
    finer = 2 * given // 5
    widths = {"bits": bits - 1, "sum_bits": bits + given - 2 * finer, "position_bits": bits + finer}
    return widths if given and bits > 2 and max(widths.values()) <= 16 else {}


def check_levels(settings: ModelSettings, hierarchy: Hierarchy) -> None:
    """Checks that settings describe the levels of a hierarchy, all of one kind.

    Raises:
        SettingsError: Levels differ, or kinds are mixed (a `conserving` decoder needs children with sums).
    """
    if set(settings.levels) != set(hierarchy.names):
        msg = f"model: levels: found {', '.join(settings.levels)}, expected {', '.join(hierarchy.names)}"
        raise SettingsError(msg)
    kinds = {level.kind for level in settings.levels.values()}
    if len(kinds) > 1:
        msg = f"model: levels: found kinds {', '.join(sorted(kinds))}, expected one kind for all levels"
        raise SettingsError(msg)
    if settings.digi == "codes" and kinds == {"conserving"}:
        msg = "model: digi: found codes, expected charges: levels of the kind conserving send sums, and codes have none"
        raise SettingsError(msg)
