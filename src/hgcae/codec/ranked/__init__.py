"""The code of ranked cells; see `hgcae.codec.ranked.codec`."""

from hgcae.codec.ranked.blocks import Blocks
from hgcae.codec.ranked.codec import RankedCodec
from hgcae.codec.ranked.tables import RankedTables

__all__ = ["Blocks", "RankedCodec", "RankedTables"]
