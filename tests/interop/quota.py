"""What requests cost in Google's quota units, from the counters of either server: the table of
`crates/drive-api/src/quota.rs`, written a second time so that ours is not measured by itself.

Source: https://developers.google.com/workspace/drive/api/guides/limits ("Per-method quota").
"""
import re

LIST, DOWNLOAD, EDIT, READ = 100, 200, 50, 5


def price(template):
    """Of `GET /drive/v3/files/{id}?alt=media` and the like; what is no call of Drive's costs nothing."""
    method, _, target = template.partition(" ")
    path, _, query = target.partition("?")
    call = re.search(r"/drive/v3/(.*)$", path)
    if path.startswith("/batch") or not call:
        return 0
    if method != "GET":
        return EDIT
    if call[1] in ("files", "changes", "drives"):
        return LIST
    if "alt=media" in query or re.fullmatch(r"files/[^/]+/(export|download)", call[1]):
        return DOWNLOAD
    return READ


def units(stats):
    """Of all that was counted under one label; a batch costs what its parts cost."""
    return sum(price(t) * n for by in (stats["by"], stats["batch_by"]) for t, n in by.items())
