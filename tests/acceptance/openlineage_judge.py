"""Events of OpenLineage against its own client's classes, which its makers generate from the specification's JSON schemas: each has the
fields, types, words and checks of one schema, and its URL with the version. No package of a registry has the schemas themselves."""
import enum
import importlib
import pathlib
import pkgutil
import sys
import types
import typing

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
import lineage_judges  # noqa: E402


class Judge:
    """`kind`: `(value, class)` raises ValueError, naming the place, where the value is none of that class."""

    def __init__(self):
        import attr
        self.attr = attr
        # The package itself brings in HTTP clients; the classes need none of them.
        client = types.ModuleType("openlineage.client")
        client.__path__ = [str(lineage_judges.LOCK.folder() / "openlineage" / "client")]
        sys.modules["openlineage.client"] = client
        generated = importlib.import_module("openlineage.client.generated")
        modules = [importlib.import_module(f"openlineage.client.generated.{each.name}") for each in pkgutil.iter_modules(generated.__path__)]
        self.classes = {}
        for module in modules:
            for each in vars(module).values():
                if isinstance(each, type) and attr.has(each) and each.__module__ == module.__name__ and "_get_schema" in vars(each):
                    self.classes[each._get_schema()] = each
        self.base = importlib.import_module("openlineage.client.generated.base")

    def event(self, event):
        self.check(event, self.classes[event["schemaURL"]], "event")

    def check(self, value, kind, place):
        """The value as an object of that class: its validators have seen it."""
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if origin in (typing.Union, types.UnionType):
            if value is None:
                raise ValueError(f"{place}: null says nothing; leave it out")
            return self.check(value, next(each for each in arguments if each is not type(None)), place)
        if origin is dict:
            self.expect(isinstance(value, dict), place, "an object")
            return {key: self.member(each, arguments[1], f"{place}.{key}") for key, each in value.items()}
        if origin is list:
            self.expect(isinstance(value, list), place, "a list")
            return [self.check(each, arguments[0], f"{place}[{at}]") for at, each in enumerate(value)]
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            return kind(value)
        if self.attr.has(kind):
            return self.object(value, kind, place)
        if kind is not typing.Any:
            self.expect(type(value) is kind or (kind is float and type(value) is int), place, kind.__name__)
        return value

    def member(self, value, kind, place):
        """A facet is of the class that it names itself, which is one for this place; one's own facets are of nobody's."""
        if not (isinstance(kind, type) and issubclass(kind, self.base.BaseFacet)):
            return self.check(value, kind, place)
        url = value.get("_schemaURL", "")
        if url.startswith("urn:weir:"):
            return value
        self.expect(url in self.classes, place, f"of a schema that the client knows, not {url}")
        self.expect(issubclass(self.classes[url], kind), place, f"a {kind.__name__}, not {url}")
        return self.check(value, self.classes[url], place)

    def object(self, value, kind, place):
        self.expect(isinstance(value, dict), place, "an object")
        hints, given = typing.get_type_hints(kind), {}
        fields = {each.name: each for each in self.attr.fields(kind)}
        for name in value:
            self.expect(name in fields, f"{place}.{name}", f"a field of {kind.__name__}")
        for name, field in fields.items():
            if name not in value:
                self.expect(field.default is not self.attr.NOTHING, place, f"an object with {name}")
                continue
            made = self.check(value[name], hints[name], f"{place}.{name}")
            if field.init:
                given[field.alias] = made
        made = kind(**given)
        for name in ("_schemaURL", "schemaURL"):
            if name in value:
                self.expect(getattr(made, name) == value[name], f"{place}.{name}", getattr(made, name))
        return made

    @staticmethod
    def expect(holds, place, what):
        if not holds:
            raise ValueError(f"{place} is not {what}")


def make():
    """Nothing where the client was not fetched."""
    return Judge() if lineage_judges.load() else None
