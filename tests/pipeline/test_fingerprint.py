"""How the code that a stage runs is found: one rule after the other, in packages of a few lines."""

from __future__ import annotations

import textwrap
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_package import code_of, names_of, write_file

from cayley_adapters.pipeline.fingerprint import fingerprint


@pytest.fixture
def package(tmp_path):
    """Writes files of a package, and gives the hash of its one stage."""
    return partial(code_of, tmp_path)


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
    assert names_of(tmp_path) == {"stages.a:run", "room:used", "room:helper", "room:LIMIT"}


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
    assert names_of(tmp_path) == {"stages.a:run"}


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
