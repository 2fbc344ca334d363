"""What a quantised network costs in hardware, counted from its weights and formats alone."""

from __future__ import annotations

from dataclasses import dataclass

from hgcae.integer.network import QuantisedNetwork


@dataclass(frozen=True)
class Cost:
    """Cost of one evaluation.

    Args:
        parameters: Weights and biases.
        weight_bits: Bits of all of them.
        multiply_adds: Products of a weight and an input; each weight of a convolution once for each place.
        bit_operations: Multiply-adds x bits of a weight x bits of an input, summed over the layers (BOPs; M. Wang et al., arXiv:1909.10584;
            effective where no bit is constant).
    """

    parameters: int
    weight_bits: int
    multiply_adds: int
    bit_operations: int


def cost(network: QuantisedNetwork) -> Cost:
    """Returns the cost of a network.

    Examples:
        >>> import numpy as np
        >>> from hgcae.coding.fixedpoint import FixedPoint
        >>> form = FixedPoint(bits=8, integer=0)
        >>> cost(QuantisedNetwork.of_floats([(np.zeros((49, 8)), np.zeros(8))], form, form, form, form))
        Cost(parameters=400, weight_bits=3200, multiply_adds=392, bit_operations=25088)
    """
    parameters = sum(layer.kernel.size + layer.bias.size for layer in network.layers)
    products = [layer.kernel.size * layer.places for layer in network.layers]
    inputs = [network.feature.bits, *[network.activation.bits] * len(products)]
    operations = sum(n * network.weight.bits * bits for n, bits in zip(products, inputs, strict=False))
    return Cost(parameters, parameters * network.weight.bits, sum(products), operations)
