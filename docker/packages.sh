#!/bin/sh
# Make the environment /opt/hexdet with hexdet's dependencies, pinned: packages.sh [EXTRA]
# GPU: none (torch for the CPU, some 200 MB) or cuda (the index's own torch, several GB).
set -eu
here=$(dirname "$0")
extra=${1:-}
export PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
python3 -m venv /opt/hexdet
pip="/opt/hexdet/bin/python -m pip install --quiet -c $here/constraints.txt"
# Of pyproject.toml and not of the sources: a change of the code leaves this layer as it is.
python3 - "$here/pyproject.toml" ${extra:+"$extra"} >/tmp/requirements.txt <<'END'
import pathlib, sys, tomllib

project = tomllib.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))["project"]
wanted = [project["dependencies"], *(project["optional-dependencies"][e] for e in sys.argv[2:])]
print(*sum(wanted, []), sep="\n")
END

if [ "$extra" = toolchain ]; then
    case ${GPU:-none} in
        # TORCH_INDEX can name a mirror, or be empty: then pip's own settings say where torch is.
        none) index=${TORCH_INDEX-https://download.pytorch.org/whl/cpu} ;;
        cuda) index= ;;
        *) echo "GPU is none or cuda, not $GPU" >&2; exit 1 ;;
    esac
    if [ -n "$index" ]; then
        # Without its dependencies: those come pinned, from the usual index.
        $pip --no-deps --index-url "$index" torch
    fi
fi
$pip --requirement /tmp/requirements.txt
rm /tmp/requirements.txt
