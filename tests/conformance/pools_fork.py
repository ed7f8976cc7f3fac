"""The tests of multiprocessing for pools that start their workers by "fork": a module that workers can import."""

from test import _test_multiprocessing

_test_multiprocessing.install_tests_in_module_dict(globals(), "fork")
