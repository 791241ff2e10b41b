import pytest
import tiny

from alsem.runs import runner


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """A folder of runs, which share the geometry fit, beside the capture."""
    folder = tmp_path_factory.mktemp("program")
    tiny.write_box(folder / "captures")
    return folder


@pytest.fixture(scope="session")
def run(runs):
    """Carries out a run of the tiny config by its name."""

    def run_one(name, **overrides):
        config = tiny.config(runs / "captures", **overrides)
        return runner.start_run(config, runs / name)

    return run_one


@pytest.fixture(scope="session")
def finished(runs, run):
    """The plain run."""
    assert run("plain")
    return runs / "plain"
