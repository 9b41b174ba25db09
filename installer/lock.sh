#!/usr/bin/env bash
# Make the locks again from pyproject.toml: requirements.txt (what nodes run), requirements-build.txt (what makes the package),
# requirements-dev.txt (and what checks need).
# Hashes of every file of a version go in; the address of the index does not.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() {
    CUSTOM_COMPILE_COMMAND=installer/lock.sh .venv/bin/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras \
        --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options "$@" pyproject.toml
}
compile --output-file=requirements.txt
compile --build-deps-for=editable --only-build-deps --output-file=requirements-build.txt
compile --extra=dev --constraint=requirements.txt --output-file=requirements-dev.txt
if grep -nE '://|^-' requirements.txt requirements-build.txt requirements-dev.txt; then
    echo "the locks name an index, a path or an option: they must hold names, versions and hashes only" >&2
    exit 1
fi
