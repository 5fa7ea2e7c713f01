"""Has mutmut write the mutants of the checkout in the working folder, and find out which tests reach which function.

These are the first steps of ``mutmut run``, which has no command for them alone; `each.py` then goes through the mutants.
"""

from __future__ import annotations

from mutmut import __main__ as mutmut
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.utils.file_utils import copy_also_copy_files, copy_src_dir, setup_source_paths
from mutmut.workers.isolation import get_mutant_runner


def main() -> None:
    """Leave the mutants in ``mutants/src`` and the tests of each function in ``mutants/mutmut-stats.json``."""
    set_mutant_under_test("mutant_generation")
    copy_src_dir()
    copy_also_copy_files()
    setup_source_paths()
    mutmut.store_lines_covered_by_tests()
    mutmut.create_mutants(1)
    mutmut.collect_or_load_stats(get_mutant_runner(1), apply_config_invalidation=True)


if __name__ == "__main__":
    main()
