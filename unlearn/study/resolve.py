"""Names of a study -> parts: which block a name or a block with a name stands for, checked."""

from collections.abc import Callable, Mapping

from unlearn.study import registry, schema
from unlearn.study.components import Part, canonical_name

# section of a study -> schema, family of modules (None: the schema alone knows the names)
SECTIONS = {
    "datasets": ("datasets", "data"),
    "models": ("models", None),
    "recipes": ("recipe", None),
    "requests": ("samplers", "requests"),
    "methods": ("methods", "methods"),
    "noises": ("noises", "noises"),
}


class StudyError(Exception):
    """A configuration that cannot run; says the file, the key, the value and what is allowed."""


class Names:
    """The named blocks of one configuration; every method may raise StudyError."""

    def __init__(self, config: Mapping, source: str):
        self.config, self.source = config, source

    def named(self, choice, key: str, path: str) -> tuple:
        """A choice in which a block at `key` has become a name, and the part that it names."""
        block = choice.get(key) if isinstance(choice, Mapping) else None
        if not isinstance(block, Mapping):
            return choice, None
        if "name" not in block:
            self.fail(f"{path}.{key}", f"{dict(block)} needs the name of the {key} it changes")
        part = self.part(f"{key}s", block, f"{path}.{key}")
        return choice | {key: part.name}, part

    def part(self, section: str, choice, path: str, complete: bool = True) -> Part:
        """Resolve a name or a block. `complete=False` accepts a block without required values."""
        name = choice if isinstance(choice, str) else choice["name"]
        alias = dict(self.config[section].get(name) or {})
        kind = self._kind(section, name, alias.pop("name", None), path)
        rules = schema.read(SECTIONS[section][0])[kind]
        if section == "methods":
            more = schema.read("trainers")[trainer_of(kind)]["properties"]
            rules = rules | {"properties": rules["properties"] | more}
        optional = {k: v for k, v in rules.items() if k != "required"}
        overrides = (
            {} if isinstance(choice, str) else {k: v for k, v in choice.items() if k != "name"}
        )
        self.check(alias, optional, f"{section}.{name}")
        self.check(overrides, optional, path)
        if complete:
            self.check(alias | overrides, rules, path)
        parameters = schema.with_defaults(alias | overrides, rules)
        return Part(
            canonical_name(name, parameters, schema.with_defaults(alias, rules)), kind, parameters
        )

    def _kind(self, section: str, name: str, alias_of: str | None, path: str) -> str:
        """The registered name that `name` stands for."""
        schemas, family = SECTIONS[section]
        known = [n for n in schema.read(schemas) if not family or n in registry.names(family)]
        implicit = "standard" if section == "recipes" and name in self.config[section] else name
        if name in known and alias_of not in (None, name):
            self.fail(f"{section}.{name}.name", f"{name} is no other name for {alias_of}")
        kind = alias_of or implicit
        if kind not in known:
            allowed = {*known, *self.config[section]} - {kind}
            self.fail(path, schema.unknown(section.removesuffix("s"), kind, allowed))
        return kind

    def register(self, store: dict, key, part):
        """Put a part into `store`, or find it there; two that differ cannot share a name."""
        if store.setdefault(key, part) != part:
            other = dict(store[key].parameters)
            self.fail("", f"two parts are called {part.name}: {other} and {dict(part.parameters)}")
        return part

    def check(self, instance, rules: Mapping, path: str) -> None:
        """Check what stands at `path` against a schema."""
        self.at(path, schema.check, instance, rules)

    def at(self, path: str, check: Callable, *arguments) -> None:
        """Run a check whose errors are about what stands at `path`."""
        try:
            check(*arguments)
        except schema.InvalidError as error:
            self.fail(f"{path}.{error.path}".strip("."), str(error))

    def fail(self, path: str, message: str):
        """Raise StudyError about what stands at `path`."""
        raise StudyError(": ".join(filter(None, (self.source, path, message))))


def trainer_of(method: str) -> str:
    """The trainer that a method declares; `None` there means any, hence the standard one."""
    return registry.facts("methods", method)["trainer"] or "standard"
