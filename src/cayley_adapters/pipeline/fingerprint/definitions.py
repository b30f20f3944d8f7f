"""What a module of the package consists of: its definitions, what each uses, and a digest of each."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["PACKAGE", "Class", "Code", "Definition", "Field", "Module", "Part", "Use"]

PACKAGE = "cayley_adapters"

Use = tuple[str, ...]
"""Something that code uses, its kind first:

- ``("name", root, *attributes)``: a global name of its module, and attributes of it
- ``("member", module, name, *attributes)``: the same of another module; ``name`` is empty for the module itself
- ``("module", name)``: a module is imported and no more
- ``("text", text)``: a text that may name a module, what it defines, or a file
- ``("own",)``: anything that its module defines
- ``("beneath",)``: anything that modules below its package define
- ``("beside",)``: the files that lie beside its module
"""

Field = tuple[Use, str]


@dataclass(frozen=True)
class Code:
    """What is known of a piece of code.

    Attributes:
        digest: of what it does: without docstrings, comments, annotations, and texts of errors and messages.
        uses: what it uses.
        reads: attributes that it reads, texts that may be names of such, and ``import LIBRARY`` for other packages.
        fields: registry and attribute that is read of one of its things, as in ``METHODS[name].builder``.
    """

    digest: bytes
    uses: frozenset[Use]
    reads: frozenset[str]
    fields: frozenset[Field]


@dataclass(frozen=True)
class Part(Code):
    """What counts only where its name is read: a field of a registered thing, a method of what stages are given.

    Attributes:
        field: the name; a number is the place among the arguments of a call.
        callee: the class that the argument is given to, None where it is known to be read by name.
        text: whether it is a text and nothing else.
    """

    field: str | int
    callee: Use | None = None
    text: bool = False


@dataclass(frozen=True)
class Definition(Code):
    """A function, a class, what is assigned to a name, or all other statements of a module.

    Attributes:
        parts: what of it counts only where it is read.
    """

    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Class:
    """What is known of a class before it is used.

    Attributes:
        bases: the classes that it extends.
        fields: names of its annotated fields, in order.
        acts: whether defining a class that extends it runs code of it.
    """

    bases: tuple[Use, ...]
    fields: tuple[str, ...]
    acts: bool


@dataclass
class Module:
    """A module.

    Attributes:
        name: dotted, the package's name first.
        package: whether it is an ``__init__``.
        definitions: by name.
        body: what importing it runs beside definitions.
        acting: definitions that run code when the module is imported, such as decorated ones.
        imports: name → what it may stand for: module and name there, which is empty for the module itself.
        imported: the package's modules that importing it imports, as far as they are such.
        stars: modules whose names it takes over, all of them.
        libraries: ``import NAME`` of other packages that importing it imports.
        tables: its tables of texts, by which a package may export names lazily.
        classes: by name.
        given: methods of classes that stages are given instances of.
    """

    name: str
    package: bool
    definitions: dict[str, Definition] = field(default_factory=dict)
    body: Definition | None = None
    acting: set[str] = field(default_factory=set)
    imports: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    imported: set[str] = field(default_factory=set)
    stars: set[str] = field(default_factory=set)
    libraries: set[str] = field(default_factory=set)
    tables: dict[str, str] = field(default_factory=dict)
    classes: dict[str, Class] = field(default_factory=dict)
    given: list[Part] = field(default_factory=list)
