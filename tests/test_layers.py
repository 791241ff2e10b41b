"""The layers of alsem: imports point down, and some packages stay in one place.

Every rule is a function from sources (path -> text) to complaints, so that the tests
can show it both the real tree and a small wrong one.

Why the loop's layers (5 to 11) are finer than one: siblings may not import each other,
and a fitted scene stands below the loop. `experiment` is what all of it is made of and
`fit_data` what fits learn from; `fitted`, `build` and `pool` are what is done with one;
`rounds` fits models on a fitted scene and `beliefs` asks them; `scoring` looks ahead
and `hindsight` back; `active` is the loop over rounds and `present` shows what it
leaves; `program` runs all.
"""

import ast
import functools
import graphlib
import io
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent

# A row lists the modules and packages directly under alsem/.
LAYERS: dict[int, tuple[str, ...]] = {
    12: (
        *("main", "rooms", "validate", "prepare", "study"),
        *("compare", "cues", "export", "annotate", "view", "pretrain"),
    ),
    11: ("cue_maps", "pretraining", "studies"),
    10: ("program",),
    9: ("active", "present"),
    8: ("scoring", "hindsight", "assess"),
    7: ("rounds", "beliefs", "comparison_page"),
    6: ("fitted", "build", "pool", "comparison"),
    5: ("experiment", "fit_data", "checks", "environment", "compared"),
    4: (
        *("train", "surface", "posterior", "evaluate", "observations"),
        *("checkpoint", "logs", "policies", "report"),
        *("efficiency", "config_files", "validation"),
    ),
    3: ("models", "acquisition", "data", "labels", "records"),
    2: (
        *("cameras", "sampling", "render", "encoding"),
        *("losses", "metrics", "geometry", "estimate"),
    ),
    1: ("types", "rng", "sharding", "numerics", "interrupt", "command"),
    0: ("typing",),
}
# From this layer up, modules of one layer do not import each other.
INDEPENDENT_FROM = 3
COMMAND_LINES = 12

# Who may import what: a dotted name -> modules and packages under alsem/.
ONLY_IN: dict[str, tuple[str, ...]] = {
    "ml_collections": (*LAYERS[12], "program", "build"),
    "orbax": ("checkpoint",),
    "flax.linen": ("models",),
    "flax.nnx": (),
    "sqlite3": ("labels",),
    "tensorflow": (),
    "torch": (),
}
# Pure mathematics on arrays.
MATHS_LAYER = 2
MATHS_MAY_IMPORT = ("alsem", "jax", "numpy")
CONFIGS_MAY_IMPORT = ("ml_collections",)

MAX_LINES = 320
MAX_COMMAND_CODE_LINES = 59

LAYER_OF = {name: layer for layer, names in LAYERS.items() for name in names}

Sources = dict[str, str]


class Import(NamedTuple):
    """One imported dotted name and the line it stands on."""

    name: str
    line: int


def module_name(path: str) -> str:
    """Turn ``alsem/data/__init__.py`` into ``alsem.data``."""
    parts = Path(path).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def unit(module: str) -> str:
    """Name the module or package directly under alsem/; "" for alsem itself."""
    return module.partition(".")[2].partition(".")[0]


@functools.cache
def imports_of(path: str, source: str) -> tuple[Import, ...]:
    """List every import, wherever it stands: in functions, under TYPE_CHECKING."""
    package = module_name(path)
    if Path(path).name != "__init__.py":
        package = package.rpartition(".")[0]

    def walk() -> Iterator[Import]:
        for node in ast.walk(ast.parse(source, path)):
            if isinstance(node, ast.Import):
                yield from (Import(alias.name, node.lineno) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                if node.level:
                    parts = package.split(".")
                    parts = parts[: len(parts) - node.level + 1]
                    base = ".".join([*parts, base] if base else parts)
                for alias in node.names:
                    yield Import(f"{base}.{alias.name}", node.lineno)
            elif isinstance(node, ast.Attribute):
                # `import flax` and then `flax.linen` is an import of flax.linen.
                if (dotted := ast.unparse(node)) in ONLY_IN:
                    yield Import(dotted, node.lineno)
            elif isinstance(node, ast.Call):
                called = ast.unparse(node.func).rpartition(".")[2]
                if called in ("import_module", "__import__") and node.args:
                    target = node.args[0]
                    if isinstance(target, ast.Constant):
                        yield Import(str(target.value), node.lineno)

    return tuple(walk())


def is_under(name: str, dotted: str) -> bool:
    return name == dotted or name.startswith(dotted + ".")


def alsem_imports(sources: Sources) -> Iterator[tuple[str, int, str, str, str]]:
    """Yield path, line, importing unit, imported name and imported unit."""
    for path, source in sources.items():
        for name, line in imports_of(path, source):
            if is_under(name, "alsem"):
                yield path, line, unit(module_name(path)), name, unit(name)


def unknown_modules(sources: Sources) -> list[str]:
    names = {unit(module_name(path)): path for path in sources}
    return [
        f"{path}: {name!r} is in no layer; add it to LAYERS in tests/test_layers.py"
        for name, path in names.items()
        if name and name not in LAYER_OF
    ]


def imports_that_do_not_point_down(sources: Sources) -> list[str]:
    complaints = []
    for path, line, importer, name, imported in alsem_imports(sources):
        if imported not in LAYER_OF or (importer and importer not in LAYER_OF):
            continue  # a name of alsem/__init__.py, or an unknown module
        if importer == imported:
            continue
        where = f"{path}:{line}: imports {name}"
        if not importer:
            complaints.append(f"{where}, but alsem/__init__.py lies below every layer")
        elif LAYER_OF[imported] > LAYER_OF[importer]:
            complaints.append(
                f"{where}, up from layer {LAYER_OF[importer]} to {LAYER_OF[imported]}"
            )
        elif LAYER_OF[imported] == LAYER_OF[importer] >= INDEPENDENT_FROM:
            complaints.append(f"{where}, a sibling in layer {LAYER_OF[importer]}")
    return complaints


def cycles(sources: Sources) -> list[str]:
    modules = {module_name(path) for path in sources}
    graph: dict[str, set[str]] = {module: set() for module in modules}
    for path, _, _, name, _ in alsem_imports(sources):
        while name not in modules and "." in name:
            name = name.rpartition(".")[0]  # a function or class of that module
        if name in modules and name != module_name(path):
            graph[module_name(path)].add(name)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return ["import cycle: " + " <- ".join(error.args[1])]
    return []


def misplaced_packages(sources: Sources) -> list[str]:
    return [
        f"{path}:{line}: imports {name}; {package} belongs to {allowed or 'nobody'}"
        for path, source in sources.items()
        for name, line in imports_of(path, source)
        for package, allowed in ONLY_IN.items()
        if is_under(name, package) and unit(module_name(path)) not in allowed
    ]


def foreign_imports(sources: Sources, allowed: tuple[str, ...]) -> list[str]:
    return [
        f"{path}:{line}: imports {name}; only {allowed} and the standard library may"
        for path, source in sources.items()
        for name, line in imports_of(path, source)
        if (top := name.partition(".")[0]) not in allowed
        and top not in sys.stdlib_module_names
    ]


def foreign_imports_in_maths(sources: Sources) -> list[str]:
    maths = {
        path: source
        for path, source in sources.items()
        if LAYER_OF.get(unit(module_name(path))) == MATHS_LAYER
    }
    return foreign_imports(maths, MATHS_MAY_IMPORT)


def foreign_imports_in_configs(sources: Sources) -> list[str]:
    return foreign_imports(sources, CONFIGS_MAY_IMPORT)


def long_files(sources: Sources) -> list[str]:
    return [
        f"{path}: {count} lines; at most {MAX_LINES}"
        for path, source in sources.items()
        if (count := len(source.splitlines())) > MAX_LINES
    ]


def files_called_utils(sources: Sources) -> list[str]:
    return [
        f"{path}: name it by what it holds"
        for path in sources
        if "utils" in Path(path).with_suffix("").parts
    ]


def code_lines(source: str) -> int:
    """Count lines that hold code: no blank line, comment or docstring."""
    skipped = (
        *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER),
        *(tokenize.INDENT, tokenize.DEDENT),
    )
    code: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in skipped:
            code.update(range(token.start[0], token.end[0] + 1))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            text = node.body[0]
            code.difference_update(range(text.lineno, (text.end_lineno or 0) + 1))
    return len(code)


def long_commands(sources: Sources) -> list[str]:
    return [
        f"{path}: {count} lines of code in a command line; the rest belongs in a layer"
        for path, source in sources.items()
        if LAYER_OF.get(unit(module_name(path))) == COMMAND_LINES
        and (count := code_lines(source)) > MAX_COMMAND_CODE_LINES
    ]


def sources_under(folder: str) -> Sources:
    return {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted((ROOT / folder).rglob("*.py"))
    }


RULES = [
    unknown_modules,
    imports_that_do_not_point_down,
    cycles,
    misplaced_packages,
    foreign_imports_in_maths,
    long_files,
    files_called_utils,
    long_commands,
]


def complaint(rule, sources: Sources) -> str:
    """Return the one complaint of a rule about sources made to break it once."""
    (only,) = rule(sources)
    return only


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_alsem_keeps_the_rule(rule):
    sources = sources_under("alsem")
    assert "alsem/types.py" in sources
    assert not rule(sources), "\n" + "\n".join(rule(sources))


def test_configs_import_only_ml_collections():
    found = foreign_imports_in_configs(sources_under("configs"))
    assert not found, "\n" + "\n".join(found)


def test_a_module_outside_the_table_is_found():
    sources = {"alsem/__init__.py": "", "alsem/render.py": "", "alsem/magic/a.py": ""}
    found = complaint(unknown_modules, sources)
    assert "alsem/magic/a.py" in found and "add it to LAYERS" in found


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("alsem/render.py", "import alsem.train"),
        ("alsem/render.py", "from alsem import types, train"),
        ("alsem/render.py", "from . import train"),
        ("alsem/render.py", "from .train import step"),
        ("alsem/render.py", "def f():\n    from alsem.train import step"),
        ("alsem/render.py", "if TYPE_CHECKING:\n    from alsem.train import step"),
        ("alsem/render.py", "importlib.import_module('alsem.train')"),
        ("alsem/data/scene.py", "from ..train import step"),
        ("alsem/data/__init__.py", "from ..train import step"),
        ("alsem/data/replica/reader.py", "from ...train import step"),
        ("alsem/__init__.py", "from alsem.train import step"),
        ("alsem/types.py", "from alsem.train import step"),
    ],
)
def test_an_import_upwards_is_found(path, source):
    assert "imports alsem.train" in complaint(
        imports_that_do_not_point_down, {path: source}
    )


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("alsem/acquisition/scores.py", "from alsem.models import posterior"),
        ("alsem/acquisition/scores.py", "from alsem.data.scene import GroundTruth"),
        ("alsem/labels/annotators.py", "from ..data import GroundTruth"),
        ("alsem/train.py", "from alsem import logs"),
        ("alsem/fitted.py", "from alsem import build"),
        ("alsem/active.py", "from alsem import present"),
        ("alsem/main.py", "import alsem.export"),
    ],
)
def test_an_import_of_a_sibling_is_found(path, source):
    assert "a sibling" in complaint(imports_that_do_not_point_down, {path: source})


def test_imports_that_point_down_are_allowed():
    sources = {
        "alsem/main.py": "import alsem\nfrom alsem import active, build, __version__",
        "alsem/train.py": "from alsem.models import fields\nfrom . import render",
        "alsem/models/fields.py": "from . import heads\nfrom .mlp import Mlp",
        "alsem/render.py": "from alsem import sampling, numerics\nimport jax.numpy",
        "alsem/rng.py": "from alsem.typing import Array",
    }
    assert imports_that_do_not_point_down(sources) == []
    assert cycles(sources) == []


@pytest.mark.parametrize(
    "sources",
    [
        {
            "alsem/render.py": "from alsem.losses import mse",
            "alsem/losses.py": "from alsem import metrics",
            "alsem/metrics.py": "def f():\n    from .render import weights",
        },
        {
            "alsem/data/__init__.py": "from alsem.data.scene import Scene",
            "alsem/data/scene.py": "from alsem.data import open_capture",
        },
    ],
    ids=["three modules", "package and module"],
)
def test_a_cycle_is_found(sources):
    assert imports_that_do_not_point_down(sources) == []
    assert "import cycle" in complaint(cycles, sources)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("alsem/train.py", "import ml_collections"),
        ("alsem/models/fields.py", "from ml_collections import ConfigDict"),
        ("alsem/active.py", "import ml_collections"),
        ("alsem/train.py", "import orbax.checkpoint as ocp"),
        ("alsem/active.py", "from orbax import checkpoint"),
        ("alsem/train.py", "import flax.linen as nn"),
        ("alsem/train.py", "from flax import linen"),
        ("alsem/train.py", "import flax\nflax.linen"),
        ("alsem/models/fields.py", "from flax import nnx"),
        ("alsem/active.py", "import sqlite3"),
        ("alsem/data/tfds.py", "def f():\n    import tensorflow as tf"),
    ],
)
def test_a_misplaced_package_is_found(path, source):
    assert "belongs to" in complaint(misplaced_packages, {path: source})


def test_packages_in_their_place_are_allowed():
    sources = {
        "alsem/build.py": "import ml_collections",
        "alsem/program.py": "import ml_collections",
        "alsem/study.py": "from ml_collections import config_flags",
        "alsem/checkpoint.py": "import orbax.checkpoint as ocp",
        "alsem/models/fields.py": "import flax.linen as nn",
        "alsem/types.py": "import flax\nfrom flax import struct\nflax.struct.dataclass",
        "alsem/labels/store.py": "import sqlite3",
        "alsem/data/tfds.py": "import tensorflow_datasets as tfds",
    }
    assert misplaced_packages(sources) == []


def test_maths_that_needs_more_than_arrays_is_found():
    source = "import math\nimport jax.numpy as jnp\nfrom alsem import types\n"
    assert foreign_imports_in_maths({"alsem/losses.py": source}) == []
    assert foreign_imports_in_maths({"alsem/train.py": source + "import optax"}) == []
    found = complaint(
        foreign_imports_in_maths, {"alsem/losses.py": source + "import optax"}
    )
    assert found.startswith("alsem/losses.py:4: imports optax")


@pytest.mark.parametrize("source", ["import jax", "from alsem import build"])
def test_a_config_that_imports_more_is_found(source):
    assert (
        foreign_imports_in_configs({"configs/room.py": "import ml_collections"}) == []
    )
    assert "only" in complaint(foreign_imports_in_configs, {"configs/room.py": source})


def test_a_long_file_is_found():
    assert long_files({"alsem/render.py": "x = 1\n" * MAX_LINES}) == []
    assert "321 lines" in complaint(
        long_files, {"alsem/render.py": "x = 1\n" * (MAX_LINES + 1)}
    )


@pytest.mark.parametrize("path", ["alsem/data/utils.py", "alsem/utils/files.py"])
def test_a_file_called_utils_is_found(path):
    assert "by what it holds" in complaint(files_called_utils, {path: ""})


def test_a_long_command_is_found():
    comments = '"""Doc\n\nstring."""\n\n# why\n'
    short = comments + "x = (\n    1\n)\n" * 18 + "y = 2\n" + 'z = """\n\n\n"""\n'
    assert code_lines(short) == MAX_COMMAND_CODE_LINES
    assert long_commands({"alsem/main.py": short}) == []
    assert long_commands({"alsem/active.py": short + "z = 3\n"}) == []
    found = complaint(long_commands, {"alsem/main.py": short + "z = 3\n"})
    assert "60 lines of code" in found
