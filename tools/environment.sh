# Sourced by the other tools: a virtual environment with the project in it.
#
# TRIPLEO_VENV names the environment (default: .venv in the tree). It is made, and the project
# installed into it, only where that has not been done for the present constraints.

tree=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=${TRIPLEO_VENV:-$tree/.venv}

find_python() {
    local name
    for name in python3 python3.13 python3.12 python3.11; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$name"
            return
        fi
    done
    echo "Python 3.11 or later is needed, and there is none on the PATH." >&2
    return 1
}

# prepare_environment EXTRA ...
prepare_environment() {
    local mark=$venv/.tripleo-common stamp extra wanted= python
    stamp=$(cd "$tree" && cat constraints.txt requirements.txt setup.cfg | cksum)
    for extra in "$@"; do
        grep -qxs "$extra $stamp" "$mark" || wanted=${wanted:+$wanted,}$extra
    done
    if [ -n "$wanted" ]; then
        python=$(find_python) || return 1
        echo "Installing into $venv (some minutes the first time) ..."
        [ -x "$venv/bin/python" ] || "$python" -m venv "$venv" || return 1
        "$venv/bin/pip" install --quiet --disable-pip-version-check \
            --constraint "$tree/constraints.txt" --editable "$tree[$wanted]" || return 1
        for extra in ${wanted//,/ }; do
            echo "$extra $stamp" >> "$mark"
        done
    fi
    export PATH=$venv/bin:$PATH
}
