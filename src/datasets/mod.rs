//! Datasets: a public half that readers are shown and a private half that never leaves its owner.
//!
//! A dataset is two folders in its owner's datasite. Its mock files reach readers as a collection:
//! a flat folder on the Drive whose name carries their digest, shared by the Drive's own rights.
//! Names, addresses, descriptions and what to fetch or remove are decided purely (`name`, `url`,
//! `metadata`, `collection`, `folding`, `publication`, `pull`, `doubt`); `create`, `update`, `local`,
//! `locate` and `carrying` touch this machine, `publish` and `fetch` a connection.
//!
//! Whose a dataset is comes from the Drive, never from what a file says.

mod as_text;
mod carrying;
mod collection;
mod create;
mod doubt;
mod error;
mod fetch;
mod files;
mod folding;
mod local;
mod locate;
mod metadata;
mod name;
mod publication;
mod publish;
mod pull;
mod update;
mod url;

pub use carrying::{
    Carrier, downloads_folder, forget_kept, keep_downloads, keep_uploads, sweep_downloads,
};
pub use collection::{
    ANY_TAG, CollectionHasher, CollectionName, Half, Hash12, InvalidCollectionName, InvalidHash,
    Refusal, check_mock, check_private, members,
};
pub use create::{Created, NewDataset, create};
pub use doubt::Doubt;
pub use error::{Error, Unacceptable};
pub use fetch::{
    KEPT_FOLDER, Restored, fetch, fetch_with, install, install_own, install_restored, remove,
};
pub use files::{FileInfo, SCRATCH_FOLDER, Scratch};
pub use local::{
    Dataset, Listed, delete, half_folder, list, local_halves, newest_folder, set_audience, show,
};
pub use locate::{locate, resolve};
pub use metadata::{
    Audience, InvalidMetadata, METADATA_BYTES_MAX, METADATA_FILE, Metadata, PERMISSION_FILE,
    PRIVATE_METADATA_FILE, PrivateMetadata, private_permissions, public_permissions,
};
pub use name::{DatasetName, InvalidName};
pub use publication::{
    Draft, DraftFile, FileStep, Publication, Readers, audience_now, collections_of, shares_due,
    unshares_due,
};
pub use publish::{Published, Save, draft, prepare, publish, publish_with};
pub use pull::{
    Admitted, Held, HeldFile, Ignored, IgnoredBecause, Limits, PullPlan, Wanted, admit,
    audience_of, is_installed, plan, restore_plan,
};
pub use update::{Staged, Update, discard, put_in_place, stage, sweep_staged};
pub use url::{InvalidUrl, SyftUrl};
