"""Files: events as Parquet, written and read as a stream (`docs/events.md` describes columns and metadata), and results as JSON."""

from hgcae.store.layout import FORMAT, SCHEMA_VERSION
from hgcae.store.parquet import ROW_GROUP_EVENTS, Reader, Writer, write
from hgcae.store.results import read_results, write_results

__all__ = ["FORMAT", "ROW_GROUP_EVENTS", "SCHEMA_VERSION", "Reader", "Writer", "read_results", "write", "write_results"]
