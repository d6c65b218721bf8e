"""The third reader: hudi-rs, within this process."""
import pathlib
import sys

import values

try:
    from hudi import HudiQueryType, HudiReadOptions, HudiTable
except ImportError:  # by hand, without CTest's environment
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / ".deps/python"))
    from hudi import HudiQueryType, HudiReadOptions, HudiTable


def rows_of(batches, schema):
    types = values.types_of(schema)
    return [{name: values.to_text(kind, row[name]) for name, kind in types.items() if name in row}
            for batch in batches for row in batch.to_pylist()]


def read(path, schema, at: str | None = None):
    options = HudiReadOptions().with_query_type(HudiQueryType.Snapshot)
    return rows_of(HudiTable(str(path)).read(options.with_as_of_timestamp(at) if at else options), schema)


def changes(path, schema, after: str, until: str):
    options = (HudiReadOptions().with_query_type(HudiQueryType.Incremental)
               .with_start_timestamp(after).with_end_timestamp(until))
    return rows_of(HudiTable(str(path)).read(options), schema)
