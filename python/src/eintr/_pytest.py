"""The pytest plugin: --eintr-timeout=SECONDS, `eintr_timeout` in the ini file, @pytest.mark.eintr_timeout(seconds).

Each of a test's phases (its fixtures, the test, their end) has so much time. Then it fails where it is stuck, and the run goes on."""

import contextlib

import pytest

from . import _blocks


class _Timeout(_blocks.timeout):
    def _inside(self):
        # No Exception: a test that catches those fails all the same. And pytest goes on with the next fixture's end.
        return pytest.fail.Exception(f"not done in {self.seconds:g} s (eintr)")


def pytest_addoption(parser):
    help = "seconds that each phase of a test may take (setup, call, teardown); 0: as many as it takes"
    parser.getgroup("eintr").addoption("--eintr-timeout", type=float, help=help)
    parser.addini("eintr_timeout", help)


def pytest_configure(config):
    config.addinivalue_line("markers", "eintr_timeout(seconds): the time that each phase of the test may take; 0: as much as it takes")


def _limit(item):
    marker = item.get_closest_marker("eintr_timeout")
    if marker is not None:
        seconds = marker.kwargs["seconds"] if marker.kwargs else marker.args[0]
    elif (seconds := item.config.getoption("--eintr-timeout")) is None:
        seconds = float(item.config.getini("eintr_timeout") or 0)
    return _Timeout(seconds) if seconds else contextlib.nullcontext()


# The innermost of the wrappers: what others do around the test is done in any case.
@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_setup(item):
    with _limit(item):
        return (yield)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item):
    with _limit(item):
        return (yield)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_teardown(item, nextitem):
    limit = _limit(item)
    try:
        with limit:
            return (yield)
    except pytest.fail.Exception:
        _end_the_rest(item, nextitem, limit)
        raise


def _end_the_rest(item, nextitem, limit):
    """It may have come in pytest's own code, which would leave fixtures to the next test."""
    while isinstance(limit, _Timeout):
        limit = _Timeout(2 * limit.seconds)
        try:
            with limit:
                return item.session._setupstate.teardown_exact(nextitem)
        except pytest.fail.Exception:
            pass
