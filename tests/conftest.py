"""Eight fake CPU devices, a kept compilation cache, and strict promotion of ranks.

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
if "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
    flags = os.environ.get("XLA_FLAGS", "")
    flags = f"{flags} --xla_force_host_platform_device_count={FAKE_DEVICES}"
    os.environ["XLA_FLAGS"] = flags.strip()
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(ROOT / ".pytest_cache" / "jax-compiled")
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
os.environ.setdefault("MPLBACKEND", "Agg")

# A plugin that imported jax earlier would have made jax read the old environment.
if "jax" in sys.modules:
    raise RuntimeError("jax was imported before tests/conftest.py set its environment")

import jax
import pytest

jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def strict_dtypes():
    """Make every implicit change of dtype an error; for mathematics of our own."""
    with jax.numpy_dtype_promotion("strict"):
        yield
