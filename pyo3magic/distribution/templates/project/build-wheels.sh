#!/bin/bash
# Builds manylinux wheels for every Python of a manylinux container. Run it there:
#   docker run --rm -v "$(pwd)":/io quay.io/pypa/manylinux_2_28_x86_64 /io/build-wheels.sh
set -euo pipefail
cd "$(dirname "$0")"

if ! command -v cargo > /dev/null; then
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --profile minimal
    export PATH="$HOME/.cargo/bin:$PATH"
fi

for python in /opt/python/@{pythons}/bin/python; do
    "$python" -m pip wheel . --no-deps --wheel-dir dist
done
for wheel in dist/*-linux_*.whl; do
    auditwheel repair "$wheel" --wheel-dir wheelhouse
done
