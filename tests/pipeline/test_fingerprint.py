"""How the code that a stage runs is found: one rule after the other, in packages of a few lines."""

from __future__ import annotations

import ast
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cayley_adapters.pipeline.fingerprint import fingerprint, reached


@pytest.fixture
def package(tmp_path):
    """Writes modules and other files of a package, and gives the hash of its one stage, ``stages.a``."""

    def write(files):
        for name, text in files.items():
            write_file(tmp_path, name, text)
        return fingerprint("stages.a", tmp_path)

    return write


def write_file(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    for folder in path.relative_to(root).parents:
        (root / folder / "__init__.py").touch()


def names(root):
    return {name.removeprefix("cayley_adapters.") for name in reached("stages.a", root)}


BASE = {
    "stages/a.py": """
        from cayley_adapters.room import used

        def run(job):
            return used()
        """,
    "room.py": """
        LIMIT = 3

        def used():
            return helper(LIMIT)

        def helper(x):
            return x

        def unused():
            return 0
        """,
}


def test_definitions_count_and_not_their_modules(package, tmp_path):
    package(BASE)
    assert names(tmp_path) == {"stages.a:run", "room:used", "room:helper", "room:LIMIT"}


@pytest.mark.parametrize(
    ("old", "new", "counts"),
    [
        ("return x", "return -x", True),
        ("LIMIT = 3", "LIMIT = 4", True),
        ("return 0", "return 1", False),
        ("def unused():", "def other():", False),
        ("return x", "return x  # as it is", False),
        ("return x", 'r"""As it is."""\n    return x', False),
        ("def helper(x):", "def helper(x: int) -> int:", False),
        ("LIMIT = 3", "LIMIT: int = 3", False),
        ("return helper(LIMIT)", "return helper(\n        LIMIT\n    )", False),
        ("LIMIT = 3", "LIMIT = 3\nprint", True),
        ("def helper(x):", "@register\ndef helper(x):", True),
        ("def unused():", "@register\ndef unused():", True),  # it may be found by what registers it
        ("def unused():", "@cache\ndef unused():", False),
        ("LIMIT = 3", "LIMIT = 3\nLIMIT += 1", True),
        ("LIMIT = 3", "LIMIT = 3\nLIMIT.x[0] = 1", True),
    ],
)
def test_what_of_a_module_counts(package, old, new, counts):
    before = package(BASE)
    text = textwrap.dedent(BASE["room.py"])
    assert text.count(old) == 1
    assert (package({"room.py": text.replace(old, new)}) != before) is counts


@pytest.mark.parametrize(
    ("statement", "expression"),
    [
        ("from cayley_adapters.room import thing", "thing()"),
        ("from cayley_adapters.room import thing as other", "other()"),
        ("from cayley_adapters import room", "room.thing()"),
        ("import cayley_adapters.room", "cayley_adapters.room.thing()"),
        ("import cayley_adapters.room as other", "other.thing()"),
        ("from ..room import thing", "thing()"),
        ("from .. import room", "room.thing()"),
        ("from cayley_adapters.shop import thing", "thing()"),  # which has it from the room
        ("from cayley_adapters import shop", "shop.room.thing()"),
        ("from cayley_adapters.lazy import thing", "thing()"),
        ("from cayley_adapters.star import thing", "thing()"),
        ("from importlib import import_module", "import_module('cayley_adapters.room').thing()"),
        ("from importlib import import_module", "import_module(NAME)"),
        ("from importlib import import_module", "import_module(f'{PLACE}').thing()"),
        ("from cayley_adapters.registry import load", "load('cayley_adapters.room:thing')()"),
        ("from cayley_adapters.registry import load", "load(TABLE['x'])()"),
        ("from cayley_adapters import room", "getattr(room, 'th' + 'ing')()"),
        ("from functools import partial", "partial(lambda: Kind().method())"),
        ("", "[item() for item in [Kind.method]]"),
        ("", "(lambda again=Kind: again)()"),
    ],
)
@pytest.mark.parametrize("within", [True, False], ids=["imported within", "imported above"])
def test_however_a_thing_is_named_it_counts(package, tmp_path, statement, expression, within):
    inner, outer = (statement, "") if within else ("", statement)
    found = [
        package(
            {
                "stages/a.py": f"""
                {outer}
                NAME = "cayley_adapters.room"
                PLACE = "cayley_adapters." + "room"
                TABLE = {{"x": "cayley_adapters.room:thing"}}

                class Base:
                    def method(self):
                        from cayley_adapters.room import thing
                        return thing()

                class Kind(Base):
                    pass

                def run(job):
                    {inner}
                    return {expression}
                """,
                "room.py": f"""
                def thing():
                    return {number}
                """,
                "shop.py": """
                from cayley_adapters import room
                from cayley_adapters.room import thing
                """,
                "lazy.py": """
                _HOMES = {"thing": "room"}

                def __getattr__(name):
                    return getattr(import_module(f"cayley_adapters.{_HOMES[name]}"), name)
                """,
                "star.py": "from cayley_adapters.room import *",
                "registry.py": "def load(reference): return reference",
            }
        )
        for number in (1, 2)
    ]
    assert found[0] != found[1], names(tmp_path)


@pytest.mark.parametrize(
    "code",
    [
        "import_module(f'{__name__}.{name}')",
        "import_module(f'cayley_adapters.room.{name}')",
        "import_module('cayley_adapters.room.' + name)",
        "import_module('cayley_adapters.room.{}'.format(name))",
        "import_module(f'.{name}', __package__)",
        "import_module(f'.{name}', package=__name__)",
        "import_module(f'cayley_adapters.room.kind_{name}')",
        "[item for item in __path__]",
    ],
)
def test_modules_that_are_found_by_name_all_count(package, code):
    found = [
        package(
            {
                "stages/a.py": "from cayley_adapters.room import find\ndef run(job): return find('x')",
                "room/__init__.py": f"from importlib import import_module\ndef find(name): return {code}",
                "room/kind_x.py": f"METHOD = {number}",
            }
        )
        for number in (1, 2)
    ]
    assert found[0] != found[1]


@pytest.mark.parametrize("code", ["globals()[name]", "eval(name)", "sys.modules[__name__].thing"])
def test_what_may_use_its_whole_module_counts_it(package, code):
    found = [
        package(
            {
                "stages/a.py": "from cayley_adapters.room import find\ndef run(job): return find('x')",
                "room.py": f"import sys\ndef find(name): return {code}\ndef thing(): return {number}",
            }
        )
        for number in (1, 2)
    ]
    assert found[0] != found[1]


def test_a_local_name_is_not_the_global_one(package, tmp_path):
    package(
        {
            "stages/a.py": """
            def run(job, first, *, second):
                third = [fourth for fourth in job]
                for fifth in job:
                    with job as sixth:
                        def seventh(): return first, second, third, fifth, sixth
                return seventh()

            def first(): ...
            def second(): ...
            def third(): ...
            def fourth(): ...
            def fifth(): ...
            def sixth(): ...
            def seventh(): ...
            """
        }
    )
    assert names(tmp_path) == {"stages.a:run"}


def test_a_global_name_counts_beside_a_local_one_of_another_function(package, tmp_path):
    package(
        {
            "stages/a.py": """
            def run(job):
                def inner(thing): return thing
                return inner([thing for x in job]), outer

            def other(outer): return outer
            def thing(): ...
            outer = 1
            """
        }
    )
    assert names(tmp_path) == {"stages.a:run", "stages.a:thing", "stages.a:outer"}


def test_imports_for_types_are_not_followed(package, tmp_path):
    package(
        {
            "stages/a.py": """
            from typing import TYPE_CHECKING
            if TYPE_CHECKING:
                from cayley_adapters.room import Kind
                from cayley_adapters.acting import other
            def run(job: Kind) -> list[Kind]:
                found: Kind = job
                return found
            """,
            "room.py": "class Kind: ...",
            "acting.py": "print('imported')",
        }
    )
    assert names(tmp_path) == {"stages.a:run"}


def test_what_importing_a_module_runs_counts(package):
    def code(text):
        return package(
            {
                "stages/a.py": "from cayley_adapters.room import used\ndef run(job): return used()",
                "room.py": "import cayley_adapters.below.acting\ndef used(): return 1",
                "below/acting.py": text,
            }
        )

    assert code("def other(): return 1") == code("def other(): return 2")
    assert code("register('x')") != code("register('y')")
    assert code("register(kind)\ndef kind(): return 1") != code("register(kind)\ndef kind(): return 2")
    assert code("try:\n    import x\nexcept ImportError:\n    x = 1") != code(
        "try:\n    import x\nexcept ImportError:\n    x = 2"
    )
    assert code("if __name__ == '__main__':\n    main(1)") == code("if __name__ == '__main__':\n    main(2)")
    base = "class Base:\n    def __init_subclass__(cls): register(cls)\n"
    assert code(f"{base}class Kind(Base):\n    x = 1") != code(f"{base}class Kind(Base):\n    x = 2")


def test_a_hook_counts_where_its_package_is_imported(package):
    def code(library, number):
        return package(
            {
                "__init__.py": "register_post_import_hook(lambda _: import_module(f'{__name__}.room'), 'peft')",
                "stages/a.py": f"import {library}\ndef run(job): return 1",
                "room.py": f"register(kind)\ndef kind(): return {number}\ndef unused(): return {number}",
            }
        )

    assert code("torch", 1) == code("torch", 2)
    assert code("peft.config", 1) != code("peft.config", 2)


def test_what_a_name_is_imported_as_counts(package):
    def code(statement):
        return package(
            {
                "stages/a.py": f"{statement}\ndef run(job): return first(second)",
                "room.py": "def p(): return 1\ndef q(): return 2",
            }
        )

    one = code("from cayley_adapters.room import p as first, q as second")
    assert code("from cayley_adapters.room import q as first, p as second") != one
    assert code("from numpy import sum as first, max as second") != code(
        "from numpy import max as first, sum as second"
    )


def test_files_count_where_they_are_read(package):
    def code(body, style="a"):
        return package(
            {
                "stages/a.py": "from cayley_adapters.page import render, other\ndef run(job): return render()",
                "page/__init__.py": f"def render(): return {body}\ndef other(): return 'x.css'",
                "page/x.css": style,
            }
        )

    for body in ("files(__package__)", "Path(__file__).parent", "open('here/x.css')", "files('cayley_adapters.page')"):
        assert code(body, "a") != code(body, "b"), body
    assert code("1", "a") == code("1", "b")


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
    assert with_texts(package, ", asdict(job)", made=1) != with_texts(package, ", asdict(job)", made=2)


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


def test_an_unknown_stage_has_a_hash_as_well(tmp_path):
    assert fingerprint("stages.none", tmp_path) == fingerprint("stages.none", tmp_path)


IDENTIFIERS = [f"f{index}" for index in range(6)]


@settings(max_examples=60, deadline=None)
@given(
    uses=st.lists(st.sets(st.sampled_from(IDENTIFIERS)), min_size=6, max_size=6),
    places=st.lists(st.sampled_from(["one", "two", "three"]), min_size=6, max_size=6),
    edited=st.sampled_from(IDENTIFIERS),
)
def test_an_edit_counts_just_where_calls_lead_to_it(tmp_path_factory, uses, places, edited):
    """Functions spread over modules that call each other, circles among them: reachable or not is plain to see."""
    root = tmp_path_factory.mktemp("p")
    homes = dict(zip(IDENTIFIERS, places, strict=True))

    def code(changed):
        texts = {"one": "", "two": "", "three": ""}
        for name, others in zip(IDENTIFIERS, uses, strict=True):
            imports = [f"from cayley_adapters.{homes[other]} import {other}\n" for other in sorted(others)]
            body = "".join(f"    {line}" for line in imports) if len(others) % 2 else ""
            texts[homes[name]] += "" if len(others) % 2 else "".join(imports)
            calls = ", ".join(f"{other}()" for other in sorted(others))
            texts[homes[name]] += f"def {name}():\n{body}    return {int(name == changed)}, {calls}\n"
        for name, text in texts.items():
            write_file(root, f"{name}.py", text)
        write_file(root, "stages/a.py", f"from cayley_adapters.{homes['f0']} import f0\ndef run(job): return f0()")
        return fingerprint("stages.a", root)

    leads = {"f0"}
    while more := {other for name in leads for other in uses[IDENTIFIERS.index(name)]} - leads:
        leads |= more
    assert (code(None) != code(edited)) is (edited in leads)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([BASE["room.py"], TEXTS.replace("{{", "{").replace("}}", "}"), GIVEN]))
def test_writing_a_module_anew_in_another_layout_changes_nothing(tmp_path_factory, text):
    root = tmp_path_factory.mktemp("p")
    write_file(root, "stages/a.py", "from cayley_adapters import room\ndef run(job): return getattr(room, job)")
    found = []
    for source in (textwrap.dedent(text), ast.unparse(ast.parse(textwrap.dedent(text)))):
        write_file(root, "room.py", source)
        found.append(fingerprint("stages.a", root))
    assert found[0] == found[1]
