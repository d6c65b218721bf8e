"""One table under test: weir and Spark write it in turn, the model says what it must hold, and every
reader is compared with the model row by row.

    lake = Lake(folder)
    table = lake.create("orders", schema, record_key=["id"], partition_by=["city"], ordering_field="version")
    table.weir("upsert", rows)
    table.spark("1.2.0", "upsert", rows, index="BLOOM")
    table.check()

A table remembers its steps; a difference is told with them.
"""
import dataclasses
import pathlib
import re
import urllib.parse

import rust_reader
import values
import weir_tool
from model import Model
from spark import Spark

NEW, OLD = "1.2.0", "0.15.0"
READERS = ("weir", "hudi-rs", NEW, OLD)
COMPLETED = re.compile(r"(\d{17})\.(commit|replacecommit)")
BEGUN = re.compile(r"(\d{17})\.(commit|replacecommit)\.requested")
BASE_FILE = re.compile(r".+_(\d{17})\.parquet")
PAYLOAD = "org.apache.hudi.common.model.DefaultHoodieRecordPayload"
# Small, quiet and on this machine alone: the timeline server of Hudi would listen on every address.
QUIET = {"hoodie.embed.timeline.server": "false", "hoodie.clean.automatic": "false", "hoodie.archive.automatic": "false"}
QUIET |= {f"hoodie.{work}.parallelism": "2" for work in (
    "upsert.shuffle", "insert.shuffle", "bulkinsert.shuffle", "delete.shuffle", "simple.index", "bloom.index",
    "global.simple.index", "cleaner", "finalize.write", "rollback", "archive.delete")}
# A key that an index does not find would else be put into the small file where its row is, and replace it there.
MISSED_KEYS_SHOW = {"hoodie__parquet__small__file__limit": "0"}


class Difference(AssertionError):
    pass


@dataclasses.dataclass
class Lake:
    folder: pathlib.Path
    sparks: dict[str, Spark] = dataclasses.field(default_factory=dict)

    def start(self, *bundles: str):
        """All at once, since each takes its time."""
        for bundle in bundles:
            if bundle not in self.sparks:
                self.sparks[bundle] = Spark(bundle, self.folder)

    def spark(self, bundle: str) -> Spark:
        self.start(bundle)
        return self.sparks[bundle]

    def stop(self):
        for spark in self.sparks.values():
            spark.stop()

    def table(self, name, schema, record_key=("id",), partition_by=(), ordering_field="version") -> "Table":
        """Not made yet: Spark's first write makes it."""
        model = Model(schema, record_key, partition_by, ordering_field)
        return Table(self, name, self.folder / name, model)

    def create(self, name, schema, properties=None, **options) -> "Table":
        """Made by weir."""
        table = self.table(name, schema, **options)
        table.path.mkdir(parents=True)
        table.note("weir create")
        model = table.model
        weir_tool.apply(table.path, "create", name=name, schema=schema, record_key=model.record_key,
                        partition_by=model.partition_by, ordering_field=model.ordering_field,
                        properties=properties or {})
        table.is_weirs = True
        return table


class Table:
    def __init__(self, lake: Lake, name: str, path: pathlib.Path, model: Model):
        self.lake, self.name, self.path, self.model = lake, name, path, model
        self.is_weirs = False
        self.timezone = "UTC"  # of weir's process: it must not matter
        self.settings: dict[str, str] = {}  # of Spark's sessions
        self.decided: tuple[str, list] | None = None  # weir died before it completed this, its rows
        self.steps: list[str] = []
        self.registered: set[str] = set()
        self.numbered_by_file: set[str] = set()  # commits each of whose files counts its rows from 0

    def note(self, step: str):
        self.steps.append(step)

    def story(self) -> str:
        return "after\n" + "\n".join(f"  {number}. {step}" for number, step in enumerate(self.steps, 1)) + f"\n({self.path})"

    @property
    def schema(self):
        return self.model.schema

    def last_instant(self) -> str:
        """Of the newest completed commit, by the names on the timeline."""
        found = [match[1] for file in (self.path / ".hoodie").iterdir() if (match := COMPLETED.fullmatch(file.name))]
        return max(found)

    # Writing

    def weir(self, op: str, rows=(), schema=None):
        self.note(f"weir {op} of {len(rows)} rows")
        if schema is not None:
            self.model.widen(schema)
        asked = {"schema": schema} if schema is not None else {}
        if op == "delete":  # needs to know only which
            wanted = [*self.model.record_key, *self.model.partition_by]
            rows = [{name: row[name] for name in wanted} for row in rows]
        answer = weir_tool.apply(self.path, op, self.timezone, rows=list(rows), **asked)
        self.settle()
        before = dict(self.model.rows)
        self.model.apply(op, rows)
        if answer["instant"]:
            self.model.commit(answer["instant"])
        self.check_counts(op, rows, before, answer)
        return answer

    def check_counts(self, op, rows, before, answer):
        """Of the plain operations; what a replacement counts as is nobody's promise."""
        keys = {self.model.identity(row) for row in rows}
        if op in ("insert", "upsert") and (answer["inserts"] != len(keys - before.keys())):
            self.fail("weir", f"says {answer['inserts']} inserts instead of {len(keys - before.keys())}")
        if op == "delete" and answer["deletes"] != len(keys & before.keys()):
            self.fail("weir", f"says {answer['deletes']} deletes instead of {len(keys & before.keys())}")

    def weir_service(self, op: str, **asked):
        """clean, trim or compact: no row changes."""
        self.note(f"weir {op} {asked}")
        answer = weir_tool.apply(self.path, op, self.timezone, **asked)
        self.settle()
        if op == "clean":
            self.model.clean(asked["retain_commits"])
        elif op == "trim":
            self.model.horizon = max(self.model.horizon, answer["earliest"])
        elif answer.get("instant") and answer["instant"] > max(self.model.instants, default=""):
            self.model.commit(answer["instant"])
        return answer

    def weir_roll_back(self):
        """The newest commit never was, whoever made it."""
        self.note("weir rollback")
        answer = weir_tool.apply(self.path, "rollback", self.timezone, instant=self.model.instants[-1])
        self.model.roll_back()
        if answer["instant"] != (newest := max(self.model.instants, default="")):
            self.fail("weir", f"says that the newest commit is {answer['instant']} instead of {newest}")

    def under_way(self) -> list[str]:
        """Commits that have begun and not ended."""
        names = {file.name for file in (self.path / ".hoodie").iterdir()}
        begun = {match[1] for name in names if (match := BEGUN.fullmatch(name))}
        return sorted(instant for instant in begun if not names & {f"{instant}.commit", f"{instant}.replacecommit"})

    def weir_crash(self, stage: str, rows):
        """weir dies on the way to a commit: nothing of it may be seen. What was decided is completed by weir's next
        step, or undone by Spark's."""
        self.note(f"weir dies with {stage}, {len(rows)} rows")
        answer = weir_tool.apply(self.path, "crash", self.timezone, stage=stage, rows=list(rows))
        self.settle()
        if stage == "decided" and answer.get("crashed"):  # rows that are all stale make no commit
            self.decided = (self.under_way()[-1], list(rows))

    def settle(self):
        """What became of the commit that weir had decided on, by the names on the timeline."""
        if self.decided is None or self.decided[0] in self.under_way():
            return
        (instant, rows), self.decided = self.decided, None
        is_completed = (self.path / ".hoodie" / f"{instant}.commit").exists()
        self.note(f"  {instant} was {'completed' if is_completed else 'undone'}")
        if is_completed:
            self.model.apply("upsert", rows)
            self.model.commit(instant)

    def spark_options(self, bundle: str, index: str | None = "SIMPLE") -> dict[str, str]:
        model = self.model
        options = QUIET | {"hoodie.table.name": self.name,
                           "hoodie.datasource.write.recordkey.field": ",".join(model.record_key),
                           "hoodie.datasource.write.partitionpath.field": ",".join(model.partition_by)}
        if model.ordering_field:
            options["hoodie.datasource.write.precombine.field"] = model.ordering_field
        if index:
            options["hoodie.index.type"] = index
        generator = ("Nonpartitioned" if not model.partition_by else
                     "Complex" if len(model.record_key) > 1 or len(model.partition_by) > 1 else "Simple")
        options["hoodie.datasource.write.keygenerator.class"] = f"org.apache.hudi.keygen.{generator}KeyGenerator"
        if not self.is_weirs:  # else its properties say so
            options |= {"hoodie.metadata.enable": "false", "hoodie.datasource.write.hive_style_partitioning": "true",
                        "hoodie.datasource.write.payload.class": PAYLOAD, "hoodie.table.timeline.timezone": "UTC"}
            if bundle != OLD:
                options |= {"hoodie.write.table.version": "6", "hoodie.write.auto.upgrade": "false"}
        return options

    def spark(self, bundle: str, operation: str, rows, index: str | None = "SIMPLE", **more: str | None):
        """`more` are Hudi's options, with __ for a dot; None takes one away."""
        named = {name.replace("__", "."): value for name, value in more.items()}
        self.note(f"Spark {bundle} {operation} of {len(rows)} rows, index {index} {named or ''}")
        options = self.spark_options(bundle, index)
        if bundle == OLD and operation == "bulk_insert":
            # Its row writer writes lists that Spark's own next upsert makes null: docs/format/hudi.md.
            options["hoodie.datasource.write.row.writer.enable"] = "false"
        options |= named
        is_first = not self.path.exists()
        self.lake.spark(bundle).write(self.path, self.schema, list(rows), operation,
                                      {name: value for name, value in options.items() if value is not None},
                                      "overwrite" if is_first else "append", self.settings)
        self.settle()
        self.model.apply(operation.replace("bulk_insert", "insert"), rows)
        self.model.commit(self.last_instant())
        if bundle == OLD and operation == "bulk_insert":
            self.numbered_by_file.add(self.model.instants[-1])

    def spark_dies(self):
        """As if its newest commit had come to its last step: the markers of its files are there, its end is not."""
        instant = self.model.instants[-1]
        self.note(f"Spark dies before {instant} is completed")
        for file in [*self.path.rglob(f"*_{instant}.parquet")]:
            marker = self.path / ".hoodie/.temp" / instant / f"{file.relative_to(self.path)}.marker.MERGE"
            marker.parent.mkdir(parents=True, exist_ok=True)
            marker.touch()
        (self.path / ".hoodie" / f"{instant}.commit").unlink()
        self.model.roll_back()

    def spark_call(self, bundle: str, procedure: str, **arguments):
        """One of Hudi's SQL procedures."""
        self.register(bundle)
        self.note(f"Spark {bundle} call {procedure} {arguments}")
        told = ", ".join(f"{name} => {value!r}" for name, value in arguments.items())
        answer = self.lake.spark(bundle).sql(f"call {procedure}(table => '{self.name}'{', ' if told else ''}{told})")
        self.settle()
        return answer

    def register(self, bundle: str):
        """SQL knows tables by name. 0.15 writes the properties anew for it and drops those that it does
        not know, weir's pins among them (continue_test shows it): here they are put back."""
        if bundle in self.registered:
            return
        self.registered.add(bundle)
        properties = self.path / ".hoodie" / "hoodie.properties"
        kept = properties.read_bytes()
        self.lake.spark(bundle).sql(f"create table if not exists `{self.name}` using hudi location '{self.path}'")
        if properties.read_bytes() != kept:
            self.note(f"Spark {bundle} create table; its properties put back")
            properties.write_bytes(kept)
            properties.with_name(".hoodie.properties.crc").unlink(missing_ok=True)

    def property(self, name: str) -> str:
        lines = (self.path / ".hoodie" / "hoodie.properties").read_text(encoding="latin-1").splitlines()
        return next((line.partition("=")[2] for line in lines if line.startswith(f"{name}=")), "")

    def drop_metadata_table(self):
        """Where Spark has made one, weir would refuse to write."""
        if self.property("hoodie.table.metadata.partitions"):
            self.note("weir drop_metadata_table")
            weir_tool.apply(self.path, "drop_metadata_table", self.timezone)
            folder = self.path / ".hoodie" / "metadata"  # Without files it is none, and Spark makes it anew in there.
            if files := [file for file in folder.rglob("*") if not file.is_dir()]:
                self.fail("weir", f"left {files[0]} of the metadata table")

    # Reading

    def read(self, by: str, at: str | None = None, where: str = "") -> list[dict]:
        if by == "weir":
            return weir_tool.apply(self.path, "read", self.timezone, **({"at": at} if at else {}))["rows"]
        if by == "hudi-rs":
            return rust_reader.read(self.path, self.schema, at)
        rows, types = self.lake.spark(by).read(self.path, self.schema, {"as.of.instant": at} if at else {}, where, settings=self.settings)
        wanted = {name: kind.spark() for name, kind in values.types_of(self.schema).items()}
        if types != wanted and not at:
            self.fail(by, f"the columns are {types} instead of {wanted}")
        return rows

    def changes(self, by: str, after: str, until: str) -> list[dict]:
        if by == "weir":
            return weir_tool.apply(self.path, "changes", self.timezone, **{"from": after, "to": until})["rows"]
        if by == "hudi-rs":
            return rust_reader.changes(self.path, self.schema, after, until)
        rows, _ = self.lake.spark(by).read(self.path, self.schema, {
            "hoodie.datasource.query.type": "incremental", "hoodie.datasource.read.begin.instanttime": after,
            "hoodie.datasource.read.end.instanttime": until}, settings=self.settings)
        if by == NEW:  # It takes partition columns from the folder's name and leaves them encoded, in its own tables too.
            rows = [row | {name: urllib.parse.unquote(row[name]) for name in self.model.partition_by
                           if isinstance(row[name], str)} for row in rows]
        return rows

    # Comparing

    def fail(self, by: str, problem: str):
        raise Difference(f"{self.name}, read by {by}: {problem}\n{self.story()}")

    def compare(self, by: str, expected, found, what: str):
        if differences := self.model.differences(expected, found):
            self.fail(by, f"{what} differs:\n  " + "\n  ".join(differences))

    def check(self, *readers: str):
        """The table as it is now."""
        for by in readers or READERS:
            self.compare(by, self.model.rows, self.read(by), "the snapshot")

    def check_at(self, instant: str, *readers: str):
        for by in readers or READERS:
            self.compare(by, self.model.at(instant), self.read(by, instant), f"the version of {instant}")

    def check_changes(self, after: str, until: str, *readers: str):
        expected = self.model.changes(after, until)
        for by in readers or READERS:
            self.compare(by, expected, self.changes(by, after, until), f"what changed in ({after}, {until}]")

    def check_history(self, *readers: str):
        for instant in self.model.readable():
            self.check_at(instant, *readers)

    def check_no_leftovers(self):
        """Files of commits that never were: they would appear once older instants are archived."""
        for file in self.path.rglob("*.parquet"):
            match = BASE_FILE.fullmatch(file.name)
            if match and ".hoodie" not in file.parts and match[1] not in self.model.instants:
                self.fail("nobody", f"{file.relative_to(self.path)} is of no commit")

    def check_meta(self, bundle: str):
        """Hudi's own columns: who else writes the table goes by them."""
        rows, _ = self.lake.spark(bundle).read(self.path, self.schema, meta=True, settings=self.settings)
        self.compare(bundle, self.model.rows, [{name: value for name, value in row.items() if name[:8] != "_hoodie_"}
                                               for row in rows], "the snapshot")
        numbers = set()
        for row in rows:
            key = self.model.identity(row)
            time, number = row["_hoodie_commit_time"], row["_hoodie_commit_seqno"]
            newest = self.newest_of_group(self.path / row["_hoodie_partition_path"], row["_hoodie_file_name"])
            if time != self.model.since[key]:
                self.fail(bundle, f"{key} has commit time {time} instead of {self.model.since[key]}")
            if (number in numbers and time not in self.numbered_by_file) or not number.startswith(f"{time}_"):
                self.fail(bundle, f"{key} has sequence number {number}, commit time {time}")
            numbers.add(number)
            if len(self.model.record_key) == 1 and row["_hoodie_record_key"] != str(row[self.model.record_key[0]]) \
                    and len(self.model.partition_by) < 2:
                self.fail(bundle, f"{key} has record key {row['_hoodie_record_key']}")
            if row["_hoodie_file_name"] != newest:
                self.fail(bundle, f"{key} is said to be in {row['_hoodie_file_name']} instead of {newest}")

    def newest_of_group(self, folder: pathlib.Path, name: str) -> str:
        """The file of that file group whose commit is the last that was."""
        files = [match for file in folder.glob(f"{name.partition('_')[0]}_*.parquet")
                 if (match := BASE_FILE.fullmatch(file.name)) and match[1] in self.model.instants]
        return max(files, key=lambda match: match[1])[0] if files else "a file that is not there"
