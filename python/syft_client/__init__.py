"""What a job can use of the client: paths of datasets, and nothing else.

This small module stands for the whole package inside a job, so that most jobs run
without installing anything. It needs Python 3.8 and only the standard library.
"""

import importlib.util
import os
import re
import sys
from pathlib import Path

__all__ = [
    "load_dataset_code",
    "resolve_dataset_file_path",
    "resolve_dataset_files_path",
    "resolve_path",
]

_NO_DATA = ("syft.pub.yaml", "private_metadata.yaml")


def resolve_dataset_file_path(*args, **kwargs):
    """Return the first file of a dataset; see resolve_dataset_files_path."""
    files = resolve_dataset_files_path(*args, **kwargs)
    if not files:
        raise FileNotFoundError("the dataset has no files")
    return files[0]


def resolve_dataset_files_path(dataset_name, syftbox_folder=None, owner_email=None, client=None):
    """Return the paths of a dataset's files: the private ones in a job, else the mock ones."""
    folder = _folder(syftbox_folder)
    owner = _owner(owner_email)
    mock = _dataset(folder, owner, "public", dataset_name)
    private = _dataset(folder, owner, "private", dataset_name)
    if not mock.is_dir() and not private.is_dir():
        known = _known(folder, owner)
        raise FileNotFoundError(
            "there is no dataset {!r} of {} that this job may read; there are: {}".format(
                dataset_name, owner, ", ".join(known) or "none"
            )
        )
    if _in_job():
        return sorted(p for p in private.iterdir() if p.is_file() and p.name not in _NO_DATA)
    return _mock_files(mock)


def resolve_path(path, syftbox_folder=None):
    """Return where a syft:// path lies on this machine."""
    text = str(path)
    if isinstance(path, Path) and text.startswith("syft:/") and not text.startswith("syft://"):
        text = text.replace("syft:/", "syft://", 1)
    if not text.startswith("syft://"):
        raise ValueError("Path must start with 'syft://', got: {}".format(text))
    folder = _folder(syftbox_folder)
    rest = text[len("syft://") :]
    return folder / rest if rest else folder


def load_dataset_code(
    path, owner_email=None, syftbox_folder=None, client=None, module_name=None
):
    """Import a Python file of a dataset: "census.tools.clean" is tools/clean.py of census.

    It comes from the private half in a job, else from the mock half. The module is called
    like the last part, unless module_name says otherwise.
    """
    dataset, *parts = path.split(".")
    if not parts or not all(part.isidentifier() for part in parts):
        raise ValueError("expected 'dataset.module', got: {!r}".format(path))
    folder = _folder(syftbox_folder)
    owner = _owner(owner_email)
    half = "private" if _in_job() else "public"
    file = _dataset(folder, owner, half, dataset).joinpath(*parts).with_suffix(".py")
    if not file.is_file():
        raise FileNotFoundError("dataset {!r} has no code {!r}".format(dataset, ".".join(parts)))
    name = module_name or parts[-1]
    spec = importlib.util.spec_from_file_location(name, str(file))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _in_job():
    return os.environ.get("SYFT_IS_IN_JOB", "false").lower() == "true"


def _folder(syftbox_folder):
    folder = syftbox_folder or os.environ.get("SYFTBOX_FOLDER")
    if not folder:
        raise ValueError("where is the SyftBox? Pass syftbox_folder, or set SYFTBOX_FOLDER")
    return Path(folder)


def _owner(owner_email):
    owner = owner_email or os.environ.get("SYFTBOX_EMAIL")
    if not owner:
        raise ValueError("whose dataset? Pass owner_email, or set SYFTBOX_EMAIL")
    return owner


def _dataset(folder, owner, half, name):
    """One half of a dataset, in the newest layout that it is there in."""
    if name in ("", ".", "..") or "/" in name or _is_layout(name):
        raise ValueError("{!r} is no name of a dataset".format(name))
    datasets = folder / owner / half / "syft_datasets"
    nested = datasets / "v1" / name
    return nested if nested.is_dir() else datasets / name


def _known(folder, owner):
    datasets = folder / owner / "public" / "syft_datasets"
    found = [path for path in datasets.glob("*") if not _is_layout(path.name)]
    found += datasets.glob("v1/*")
    return sorted({path.name for path in found if path.is_dir()})


def _is_layout(name):
    return re.match(r"v[0-9]+\Z", name) is not None


def _mock_files(mock):
    """What dataset.yaml lists, read without a YAML package: all files but the dataset's own."""
    own = {"dataset.yaml", "syft.pub.yaml"}
    readme = ""
    metadata = mock / "dataset.yaml"
    if metadata.is_file():
        for line in metadata.read_text(encoding="utf-8").splitlines():
            if line.startswith("readme_url:"):
                readme = line.split(":", 1)[1].strip().strip("'\"").rsplit("/", 1)[-1]
    return sorted(
        path
        for path in mock.rglob("*")
        if path.is_file() and path.name not in own and path != mock / readme
    )


def __getattr__(name):
    raise AttributeError(
        "{} has no {!r} inside a job: here it only resolves paths. If the job needs the real "
        "package, name it once more among its dependencies, after the first one: "
        "--dep syft-client==0.1.117".format(__name__, name)
    )
