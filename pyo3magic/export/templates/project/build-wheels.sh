#!/bin/bash
# Builds manylinux wheels into wheelhouse/. In a manylinux container, for all of its Pythons:
#   docker run --rm -v "$(pwd)":/io quay.io/pypa/manylinux_2_28_x86_64 /io/build-wheels.sh
# On another system, or for some Pythons only, name the Pythons (this needs auditwheel and patchelf):
#   ./build-wheels.sh python3.12 ~/.pyenv/versions/3.13.*/bin/python
# With AUDITWHEEL_PLAT=manylinux_2_28_x86_64, auditwheel fails unless that tag is true; containers set the variable.
set -euo pipefail
project=$(cd "$(dirname "$0")" && pwd)

pythons=("$@")
if [ ${#pythons[@]} -eq 0 ]; then
    shopt -s nullglob
    pythons=(/opt/python/@{pythons}/bin/python)
    shopt -u nullglob
fi
if [ ${#pythons[@]} -eq 0 ]; then
    echo "There is no Python in /opt/python: run this in a manylinux container, or name Pythons as arguments." >&2
    exit 1
fi
if ! command -v cargo > /dev/null; then
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal
    export PATH="$HOME/.cargo/bin:$PATH"
fi

built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
# Not the project's own target folder: programs that another system compiled there may not run here.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$built/target}
for python in "${pythons[@]}"; do
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, @{oldest}))'; then
        echo "skipping $python: older than Python 3.@{oldest}"
        continue
    fi
    "$python" -m pip wheel "$project" --no-deps --wheel-dir "$built/wheels"
done
for wheel in "$built"/wheels/*.whl; do
    auditwheel repair "$wheel" --wheel-dir "$project/wheelhouse"
done
