"""However a thing is named, it counts: imports, attributes, texts, and names that are local to a function."""

from __future__ import annotations

from functools import partial

import pytest
from small_package import code_of, names_of


@pytest.fixture
def package(tmp_path):
    """Writes files of a package, and gives the hash of its one stage."""
    return partial(code_of, tmp_path)


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
    assert found[0] != found[1], names_of(tmp_path)


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
    assert names_of(tmp_path) == {"stages.a:run"}


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
    assert names_of(tmp_path) == {"stages.a:run", "stages.a:thing", "stages.a:outer"}
