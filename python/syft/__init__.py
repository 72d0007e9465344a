"""What a job can use of the client, under the name of its second generation."""

from syft_client import (
    __getattr__,
    load_dataset_code,
    resolve_dataset_file_path,
    resolve_dataset_files_path,
    resolve_path,
)

__all__ = [
    "load_dataset_code",
    "resolve_dataset_file_path",
    "resolve_dataset_files_path",
    "resolve_path",
]
