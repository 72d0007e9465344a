#!/usr/bin/env python3
"""The next generation of the released Python client, `syft` 0.10.0 with `syft-rds` 0.6.1, unmodified, as a side.

All that is not said here is in python_side.py. Needs the environment that `setup.sh 0.10` makes.
"""
import re
from pathlib import Path

import python_side


class Whole:
    """The product, and for all that it does not offer, the engine inside it: the first generation had both in one."""

    def __init__(self, product):
        self._product = product

    def __getattr__(self, name):
        try:
            return getattr(self._product, name)
        except AttributeError:
            return getattr(self._product.sync_engine, name)


class Peer(python_side.Peer):
    package = "syft"

    def open(self, sync, load_peers):
        from syft_rds import login
        if self.a.encryption:
            return Whole(self.open_encrypted(sync, load_peers))
        fn = login.login_do if self.a.role == "do" else login.login_ds
        return Whole(fn(email=self.a.email, token_path=str(self.tok), sync=sync, load_peers=load_peers))

    def open_encrypted(self, sync, load_peers):
        """The logins of the package cannot switch encryption on; its configuration can."""
        from syft_rds.client import SyftRDSClient
        from syft_rds.config import SyftRDSClientConfig
        is_owner = self.a.role == "do"
        product = SyftRDSClient.from_config(SyftRDSClientConfig.for_jupyter(
            email=self.a.email, has_do_role=is_owner, has_ds_role=not is_owner, token_path=Path(self.tok), encryption=True))
        self.module("sync.login")._init_client_login(product.sync_engine, sync=sync, load_peers=load_peers)
        return product

    def _jobdirs(self, user):
        """Of both layouts: `inbox/{me}/{job}` and `inbox/{me}/v{n}/{job}`."""
        inbox = self.box() / user / "app_data" / "job" / "inbox" / self.a.email
        folders = [p for p in inbox.glob("*") if p.is_dir()]
        segments = [p for p in folders if re.fullmatch(r"v\d+", p.name)]
        return {p.name for p in folders if p not in segments} | {p.name for s in segments for p in s.iterdir() if p.is_dir()}


if __name__ == "__main__":
    python_side.main(Peer)
