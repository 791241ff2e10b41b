"""Eight fake CPU devices, quick and kept compilation, strict promotion of ranks.

The environment is set before jax is first used, and is inherited by the commands
that the tests start.
"""

import os
import sys
from pathlib import Path

FAKE_DEVICES = 8
ROOT = Path(__file__).resolve().parent.parent

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# jax 0.10 sizes its thread pool by this; with fewer threads than fake devices a loop
# of steps may wait for itself for ever.
os.environ.setdefault("NPROC", "16")
# Most of the tests' time would be LLVM's: it takes two thirds as long like this.
for flag, value in (
    ("--xla_force_host_platform_device_count", FAKE_DEVICES),
    ("--xla_backend_optimization_level", 1),
):
    flags = os.environ.get("XLA_FLAGS", "")
    if flag not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {flag}={value}".strip()
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(ROOT / ".pytest_cache" / "jax-compiled")
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
os.environ.setdefault("MPLBACKEND", "Agg")

# A plugin that imported jax earlier would have made jax read the old environment.
if "jax" in sys.modules:
    raise RuntimeError("jax was imported before tests/conftest.py set its environment")

import hypothesis
import jax
import pytest

# The same draws every time; `DAMAGES` asks for others.
repeatable = "DAMAGES" not in os.environ
hypothesis.settings.register_profile("alsem", derandomize=repeatable, deadline=None)
hypothesis.settings.load_profile("alsem")

jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(autouse=True, scope="session")
def one_device():
    """Meshes are of one device unless a test asks for more: that is quicker."""
    from alsem.core import mesh

    make_mesh = mesh.make_mesh
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mesh, "make_mesh", lambda count=1: make_mesh(count))
        yield


@pytest.fixture(scope="session")
def experiment(tmp_path_factory):
    """The parts of a run of the small room of `tiny`."""
    import tiny

    folder = tmp_path_factory.mktemp("experiment")
    tiny.write_box(folder)
    return tiny.parts(tiny.config(folder), folder / "run")


@pytest.fixture
def strict_dtypes():
    """Make every implicit change of dtype an error; for mathematics of our own."""
    with jax.numpy_dtype_promotion("strict"):
        yield
