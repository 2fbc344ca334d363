"""Events on disk: one Parquet file, written and read as a stream; `docs/events.md` describes its columns and metadata."""

from hgcae.store.layout import FORMAT, SCHEMA_VERSION
from hgcae.store.parquet import ROW_GROUP_EVENTS, Reader, Writer, write

__all__ = ["FORMAT", "ROW_GROUP_EVENTS", "SCHEMA_VERSION", "Reader", "Writer", "write"]
