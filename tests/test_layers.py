"""The architecture of alsem: packages in layers, whose imports only point down."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Lowest first; packages of one layer do not import each other.
LAYERS = (
    ("core",),
    ("nerf", "data", "rooms"),
    (
        *("acquisition", "annotation", "surface", "training", "evaluation", "stereo"),
        "reconstruction",
    ),
    ("policy", "reporting"),
    ("active",),
    ("runs",),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
# Libraries that are imported in one place: dotted name -> path prefixes.
ONLY_IN = {
    "ml_collections": ("alsem/runs/", *(f"alsem/{n}.py" for n in ("main", "study"))),
    "orbax": ("alsem/training/checkpoint.py",),
    "flax.linen": ("alsem/nerf/", "alsem/policy/head.py"),
    "flax.nnx": (),
    "sqlite3": ("alsem/annotation/",),
    "pycolmap": ("alsem/reconstruction/",),
    "tensorflow": (),
    "torch": (),
}
MAX_LINES = 300
MAX_COMMAND_LINES = 60


def imports(source: str) -> Iterator[tuple[int, str]]:
    """Every absolute import, wherever it stands: line and dotted name."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from ((node.lineno, "." if node.level else name) for name in names)


def errors(path: str, source: str) -> list[str]:
    """What a file of alsem does against the architecture."""
    package = path.split("/")[1] if path.count("/") > 1 else ""
    # Commands stand above all packages; alsem/__init__.py below them.
    level = LEVEL.get(package, -1 if path == "alsem/__init__.py" else len(LAYERS))
    lines = len(source.splitlines())
    found = []
    if package and package not in LEVEL:
        found.append(f"{path}: package {package!r} is in no layer")
    if lines > (MAX_LINES if package else MAX_COMMAND_LINES):
        found.append(f"{path}: {lines} lines")
    if "utils" in Path(path).with_suffix("").parts:
        found.append(f"{path}: name it by what it holds")
    for line, name in imports(source):
        where = f"{path}:{line}: imports {name}"
        if name == ".":
            found.append(f"{path}:{line}: relative import")
        parts = name.split(".")
        other = parts[1] if parts[0] == "alsem" and len(parts) > 1 else package
        if other != package and LEVEL.get(other, len(LAYERS)) >= level:
            found.append(f"{where}, which is not in a lower layer")
        found += [
            f"{where}, which belongs to {places}"
            for library, places in ONLY_IN.items()
            if f"{name}.".startswith(f"{library}.") and not path.startswith(places)
        ]
    return found


def test_every_file_keeps_to_the_architecture():
    files = sorted((ROOT / "alsem").rglob("*.py"))
    assert len(files) > 100
    found = [
        error
        for path in files
        for error in errors(path.relative_to(ROOT).as_posix(), path.read_text())
    ]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("alsem/nerf/fields.py", "from alsem.training import loop"),
        ("alsem/nerf/fields.py", "def f():\n    import alsem.data.scene"),
        ("alsem/nerf/fields.py", "from .. import training"),
        ("alsem/nerf/fields.py", "from alsem import main"),
        ("alsem/__init__.py", "from alsem.core import rng"),
        ("alsem/magic/a.py", ""),
        ("alsem/nerf/utils.py", ""),
        ("alsem/nerf/fields.py", "import orbax.checkpoint"),
        ("alsem/nerf/fields.py", "\n" * (MAX_LINES + 1)),
        ("alsem/main.py", "\n" * (MAX_COMMAND_LINES + 1)),
    ],
)
def test_what_breaks_the_architecture_is_found(path, source):
    assert len(errors(path, source)) == 1


def test_configs_import_only_ml_collections_and_alsem_defaults():
    for path in sorted((ROOT / "configs").glob("*.py")):
        names = {name.split(".")[0] for _, name in imports(path.read_text())}
        assert names <= {"ml_collections", "alsem", "os", "typing", "pathlib"}, path
