"""What of the code that a stage runs counts, and what only where it is read: texts, registered things, settings."""

from __future__ import annotations

import ast
import textwrap
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_package import code_of, write_file

from cayley_adapters.pipeline.fingerprint import fingerprint


@pytest.fixture
def package(tmp_path):
    """Writes files of a package, and gives the hash of its one stage."""
    return partial(code_of, tmp_path)


TEXTS = """
    from pydantic import BaseModel, Field
    from cayley_adapters.core.registry import Entry
    from cayley_adapters.core.messages import say

    class Kind(Entry):
        builder: str

    KINDS = [
        Kind(name="a", title="TEXT", sentence=f"a TEXT {{len('x')}}", builder="cayley_adapters.core.builders:make"),
    ]

    class Part(BaseModel):
        size: int = Field(description="TEXT", gt=0)

    class Fault(Exception): ...

    def used(x):
        say(f"TEXT {{x:.3g}} TEXT")
        print("TEXT", x)
        warnings.warn("TEXT", stacklevel=2)
        logger.info("TEXT %s", x)
        assert x, "TEXT"
        if not x:
            raise ValueError("TEXT" + f"TEXT {{x}}") from None
        if x < 1:
            raise damaged(x, f"TEXT {{x}}")
        return Fault("x"), KINDS, Part
    """


def with_texts(package, reading="", text="one", made=1, changes=()):
    room = TEXTS.replace("{{", "{").replace("}}", "}").replace("TEXT", text)
    for old, new in changes:
        assert room.count(old) == 1, old
        room = room.replace(old, new)
    return package(
        {
            "stages/a.py": f"from cayley_adapters.room import used\ndef run(job): return used(job){reading}",
            "room.py": room,
            "core/registry.py": "class Entry:\n    name: str\n    title: str\n    sentence: str",
            "core/messages.py": "def say(text): print(text)",
            "core/builders.py": f"def make(): return {made}",
        }
    )


def test_texts_count_nowhere_but_where_they_are_read(package):
    assert with_texts(package, text="one") == with_texts(package, text="two")
    for field in ("title", "sentence", "description"):
        assert with_texts(package, f".{field}", "one") != with_texts(package, f".{field}", "two"), field


def test_a_builder_counts_where_it_is_read(package):
    assert with_texts(package, made=1) == with_texts(package, made=2)
    assert with_texts(package, ".builder", made=1) != with_texts(package, ".builder", made=2)
    assert with_texts(package, ", asdict(job)", made=1) == with_texts(package, ", asdict(job)", made=2)
    other = [("builders:make", "builders:other")]
    assert with_texts(package) == with_texts(package, changes=other)
    assert with_texts(package, ", asdict(job)") != with_texts(package, ", asdict(job)", changes=other)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('say(f"one {x:.3g} one")', 'say(f"one {next(x)} one")'),  # which does something
        ("if x < 1", "if x < 2"),
        ("gt=0", "gt=1"),
        ("size: int", "size: float"),  # pydantic acts on it
        ('name="a"', 'name="b"'),
        ("raise ValueError", "raise KeyError"),
        ("stacklevel=2", "stacklevel=read()"),
    ],
)
def test_what_stands_beside_texts_counts(package, old, new):
    reading = ".name" if old.startswith("name") else ""
    assert with_texts(package, reading) != with_texts(package, reading, changes=[(old, new)])


@pytest.mark.parametrize(
    ("reading", "counts"),
    [
        ("return METHODS[job].builder", (True, False)),
        ("found = METHODS[job]; return found.builder", (True, False)),
        ("return [found.builder for found in METHODS.values()]", (True, True)),
        ("found = METHODS[job]; found = other(found); return found.builder", (True, True)),
        ("return METHODS[job].name, READOUTS[job].name", (False, False)),
        ("return room.READOUTS[job].builder", (False, True)),
    ],
)
def test_a_field_that_is_read_of_one_registry_counts_for_that_one(package, reading, counts):
    def code(methods, readouts):
        return package({
            "stages/a.py": f"""
                from cayley_adapters import room
                from cayley_adapters.room import METHODS, READOUTS

                def run(job):
                    kept = METHODS, READOUTS
                    {reading}
                """,
            "room.py": f"""
                from cayley_adapters.core.registry import Entry, Registry
                METHODS = Registry("method", [Entry(name="a", builder={methods})])
                PARTS = [Entry(name="a", builder={readouts})]
                READOUTS = Registry("readout", PARTS)
                """,
            "core/registry.py": "class Entry: ...\nclass Registry: ...",
        })  # fmt: skip

    assert (code(1, 1) != code(2, 1), code(1, 1) != code(1, 2)) == counts


def test_arguments_by_place_have_the_names_of_their_fields(package):
    def code(title, number, reading=""):
        return package(
            {
                "stages/a.py": f"from cayley_adapters.room import KINDS\ndef run(job): return KINDS{reading}",
                "room.py": f"""
                @dataclass(frozen=True)
                class Kind:
                    title: str
                    number: int

                KINDS = Kind("{title}", {number})
                """,
            }
        )

    assert code("one", 1) == code("two", 1)
    assert code("one", 1) != code("one", 2)
    assert code("one", 1, ".title") != code("two", 1, ".title")


GIVEN = """
    from pydantic import BaseModel, model_validator

    class Section(BaseModel):
        size: Annotated[int, Between(0, 100)]

        @property
        def double(self):
            return helper(2 * self.size)

        def other(self):
            return 1

        @model_validator(mode="after")
        def _check(self):
            return self

    def helper(x):
        return x
    """


@pytest.mark.parametrize(
    ("old", "new", "counts"),
    [
        ("Between(0, 100)", "Between(0, 10)", False),
        ("return self\n", "return None\n", False),
        ("return 1", "return 2", False),
        ("2 * self.size", "3 * self.size", True),
        ("return x", "return -x", True),
    ],
)
@pytest.mark.parametrize("named", [True, False], ids=["named", "given"])
def test_of_what_a_stage_is_given_it_runs_the_methods_that_it_names(package, old, new, counts, named):
    stage = """
        from cayley_adapters.settings import Section

        def run(job: Section):
            return job.double
        """
    if named:
        stage = stage.replace("job: Section", "job").replace("job.double", "Section(size=1).double")
    text = textwrap.dedent(GIVEN)
    assert text.count(old) == 1
    before = package({"stages/a.py": stage, "settings.py": text})
    assert (package({"settings.py": text.replace(old, new)}) != before) is counts


def test_methods_of_settings_do_not_count_for_others_of_their_name(package):
    def code(number):
        return package(
            {
                "stages/a.py": "def run(job): return job.double",
                "settings.py": textwrap.dedent(GIVEN).replace("2 *", f"{number} *"),
            }
        )

    assert code(2) == code(3)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([TEXTS.replace("{{", "{").replace("}}", "}"), GIVEN]))
def test_writing_a_module_anew_in_another_layout_changes_nothing(tmp_path_factory, text):
    root = tmp_path_factory.mktemp("p")
    write_file(root, "stages/a.py", "from cayley_adapters import room\ndef run(job): return getattr(room, job)")
    found = []
    for source in (textwrap.dedent(text), ast.unparse(ast.parse(textwrap.dedent(text)))):
        write_file(root, "room.py", source)
        found.append(fingerprint("stages.a", root))
    assert found[0] == found[1]
