#!/usr/bin/env bash
# All checks and tests, from nothing: bash tools/test.sh
#
# Ends with a line "N passed, N failed". Each check counts as one.
set -uo pipefail
. "$(dirname "$0")/environment.sh"
cd "$tree" || exit 1

prepare_environment undercloud test docs || exit 1

passed=0 failed=0

check() { # NAME COMMAND...
    local name=$1 began=$SECONDS
    shift
    printf '\n== %s\n' "$name"
    if "$@"; then
        passed=$((passed + 1))
        printf -- '-- %s: good (%s s)\n' "$name" $((SECONDS - began))
    else
        failed=$((failed + 1))
        printf -- '-- %s: FAILED (%s s)\n' "$name" $((SECONDS - began))
    fi
}

tests() { # NAME CONCURRENCY PATH
    local name=$1 began=$SECONDS counts
    printf '\n== %s\n' "$name"
    coverage_file=$tree/.coverage
    PYTHON="coverage run --parallel-mode" COVERAGE_FILE=$coverage_file PYTHONWARNINGS=ignore \
        stestr --test-path "./tests/$3" --top-dir . run --concurrency "$2" --slowest
    stestr --test-path "./tests/$3" --top-dir . last --subunit > "$results" 2>/dev/null
    counts=$(python tools/count_tests.py < "$results")
    # A runner that finds nothing has not passed.
    [ "$counts" != "0 0" ] || counts="0 1"
    passed=$((passed + ${counts% *}))
    failed=$((failed + ${counts#* }))
    printf -- '-- %s: %s passed, %s failed (%s s)\n' "$name" "${counts% *}" "${counts#* }" \
        $((SECONDS - began))
}

scratch=$(mktemp -d)
results=$scratch/results
# None that the caller has up.
export TRIPLEO_TEST_STATE_DIR= TRIPLEO_TEST_REGIONS_STATE_DIR= TRIPLEO_TEST_EDGE_STATE_DIR= \
    TRIPLEO_TEST_NODES_STATE_DIR=
finish() {
    if [ -n "$TRIPLEO_TEST_STATE_DIR" ]; then
        tripleo-undercloud down --state-dir "$TRIPLEO_TEST_STATE_DIR"
        TRIPLEO_TEST_STATE_DIR=
    fi
    rm -rf "$scratch"
}
trap finish EXIT

rm -f .coverage .coverage.*
check "ruff check" ruff check .
check "ruff format" ruff format --check .
check "mypy" mypy
check "lint-workbooks" tools/lint-workbooks
check "documentation" python -m sphinx -q -W -b html doc/source doc/build/html
tests "unit tests" 2 unit
tests "workflow tests" 2 workflow

if tripleo-undercloud up --state-dir "$scratch/undercloud" --ports free; then
    export TRIPLEO_TEST_STATE_DIR=$scratch/undercloud
    TRIPLEO_VENV=$venv tests "functional tests" 3 functional
else
    failed=$((failed + 1))
fi

coverage combine --quiet && coverage report --skip-covered --sort cover
git diff --quiet || { echo "The tests have changed files of the tree:"; git status --short; }
finish
printf '\n%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
