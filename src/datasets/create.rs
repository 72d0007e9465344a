//! Creates a dataset on this machine: both halves, or nothing.
//!
//! Both halves are copied into a scratch folder first, so that a refusal or a crash leaves no trace
//! and the user's own files are never touched. Then the private half is renamed into place, and the
//! public half last: what others could be shown exists only once all the rest does.
//!
//! What people fear most is publishing private data as mock data. So every file that readers are
//! shown, the readme as well, is compared, by content, with every private file, and one that is equal
//! stops the creation unless the caller says that it is meant. Empty files do not count.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use uuid::Uuid;

use super::collection::{Half, check_mock, check_private};
use super::files::{self, Scratch, Tree};
use super::metadata::{
    Audience, METADATA_FILE, Metadata, PERMISSION_FILE, PRIVATE_METADATA_FILE, PrivateMetadata,
    private_permissions, public_permissions,
};
use super::{DatasetName, Error, SyftUrl, half_folder};
use crate::model::{DatasitePath, Digest, Email, Timestamp};

/// What to create a dataset from.
#[derive(Clone, Debug)]
pub struct NewDataset {
    /// What to call it.
    pub name: DatasetName,
    /// A file or folder with data that may be shown.
    pub mock: PathBuf,
    /// A file or folder with the data that may not.
    pub private: PathBuf,
    /// One line about it.
    pub summary: Option<String>,
    /// A Markdown file that explains it.
    pub readme: Option<PathBuf>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Where it is hosted, if elsewhere.
    pub location: Option<String>,
    /// Who may read the mock files.
    pub audience: Audience,
    /// Accept mock files that are equal to private ones.
    pub allow_same: bool,
}

/// What was created.
#[derive(Clone, Debug)]
pub struct Created {
    /// What `dataset.yaml` says now.
    pub metadata: Metadata,
    /// The mock files, relative to the public folder.
    pub mock_files: Vec<DatasitePath>,
    /// Mock files in folders: they will arrive at readers by their base names.
    pub flattened: Vec<DatasitePath>,
}

/// Creates a dataset of `me` in `syftbox`. `uid` and `now` go into its description.
///
/// # Errors
/// [`Error::Refused`], [`Error::PrivateAsMock`], [`Error::Readme`], [`Error::Exists`],
/// [`Error::NotRegular`] before anything is written; [`Error::Io`] with nothing left behind.
pub fn create(
    syftbox: &Path,
    me: &Email,
    new: &NewDataset,
    uid: Uuid,
    now: Timestamp,
) -> Result<Created, Error> {
    let public_target = half_folder(syftbox, me, &new.name, Half::Public);
    let private_target = half_folder(syftbox, me, &new.name, Half::Private);
    for target in [&public_target, &private_target] {
        if files::is_occupied_path(target)? {
            return Err(Error::Exists { path: target.clone() });
        }
    }
    let mock = Source::look(&new.mock, "mock")?;
    let private = Source::look(&new.private, "private")?;
    check_mock(mock.files.keys()).map_err(|refusal| mock.refused(refusal))?;
    check_private(private.files.keys()).map_err(|refusal| private.refused(refusal))?;

    let scratch = Scratch::new(syftbox)?;
    let public_folder = scratch.folder("public")?;
    let private_folder = scratch.folder("private")?;
    let private_digests = private.copy_to(&private_folder)?;
    let mut shown = mock.copy_to(&public_folder)?;
    let readme = match &new.readme {
        Some(readme) => Some(put_readme(readme, &mock, &public_folder)?),
        None => None,
    };
    if !new.allow_same {
        add_readme(&mut shown, &public_folder, readme.as_ref())?;
        compare(&shown, &private_digests)?;
    }
    let mock_files: Vec<DatasitePath> =
        mock.files.keys().filter(|path| Some(*path) != readme.as_ref()).cloned().collect();
    let about = Metadata {
        uid: Some(uid),
        created_at: Some(now),
        updated_at: Some(now),
        summary: new.summary.clone(),
        tags: new.tags.clone(),
        location: new.location.clone(),
        ..Metadata::default()
    };
    let metadata = describe(about, me, &new.name, readme.as_ref(), &mock_files)?;
    files::write_new(&public_folder.join(METADATA_FILE), metadata.to_yaml())?;
    if let Some(permissions) = public_permissions(&new.audience) {
        files::write_new(&public_folder.join(PERMISSION_FILE), &permissions)?;
    }
    write_private_files(&private_folder, &private_target, me, uid)?;

    install(&public_folder, &public_target, &private_folder, &private_target)?;
    let flattened = mock_files.iter().filter(|path| path.parent().is_some()).cloned().collect();
    Ok(Created { metadata, mock_files, flattened })
}

/// Writes the two files that a private half has of its own into `folder`, for a life at `target`,
/// and closes the folder to other users of this machine.
pub(super) fn write_private_files(
    folder: &Path,
    target: &Path,
    me: &Email,
    uid: Uuid,
) -> Result<(), Error> {
    let only_me = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(folder, only_me).map_err(Error::at(folder))?;
    let target = std::path::absolute(target).map_err(Error::at(target))?;
    let private = PrivateMetadata {
        uid: Some(uid),
        data_dir: target.to_string_lossy().into_owned(),
        paths: Vec::new(),
    };
    files::write_new(&folder.join(PRIVATE_METADATA_FILE), private.to_yaml())?;
    files::write_new(&folder.join(PERMISSION_FILE), private_permissions(me))
}

/// A file or folder that the user named, as it is before the copy.
pub(super) struct Source<'a> {
    which: &'static str,
    root: &'a Path,
    is_file: bool,
    pub(super) files: Tree,
}

impl<'a> Source<'a> {
    /// Lists it. The path that the user named may itself be a link; nothing below it may.
    pub(super) fn look(root: &'a Path, which: &'static str) -> Result<Self, Error> {
        let meta = fs::metadata(root).map_err(Error::at(root))?;
        let (is_file, files) = if meta.is_dir() {
            (false, files::tree(root, false)?)
        } else if meta.is_file() {
            let name = root.file_name().unwrap_or(OsStr::new(""));
            let path = DatasitePath::from_local(Path::new(name))
                .map_err(|source| Error::Path { path: root.to_owned(), source })?;
            (true, Tree::from([(path, meta.len())]))
        } else {
            return Err(Error::NotRegular { path: root.to_owned() });
        };
        Ok(Self { which, root, is_file, files })
    }

    /// The files of a folder, but for those of which `is_left_out` holds.
    pub(super) fn within(
        root: &'a Path,
        which: &'static str,
        is_left_out: impl Fn(&DatasitePath) -> bool,
    ) -> Result<Self, Error> {
        let mut files = files::tree(root, false)?;
        files.retain(|path, _| !is_left_out(path));
        Ok(Self { which, root, is_file: false, files })
    }

    pub(super) fn refused(&self, refusal: super::Refusal) -> Error {
        Error::Refused { which: self.which, path: self.root.to_owned(), refusal }
    }

    pub(super) fn copy_to(&self, folder: &Path) -> Result<BTreeMap<DatasitePath, Digest>, Error> {
        let copy = |path: &DatasitePath| {
            let from = if self.is_file {
                fs::canonicalize(self.root).map_err(Error::at(self.root))?
            } else {
                path.below(self.root)
            };
            Ok((path.clone(), files::copy(&from, &path.below(folder))?))
        };
        self.files.keys().map(copy).collect()
    }
}

/// Adds a readme to the digests of what readers are shown.
pub(super) fn add_readme(
    shown: &mut BTreeMap<DatasitePath, Digest>,
    folder: &Path,
    readme: Option<&DatasitePath>,
) -> Result<(), Error> {
    if let Some(path) = readme {
        shown.insert(path.clone(), files::digest(&path.below(folder))?.0);
    }
    Ok(())
}

/// Stops where a file that readers are shown has the content of a private one.
pub(super) fn compare(
    shown: &BTreeMap<DatasitePath, Digest>,
    private: &BTreeMap<DatasitePath, Digest>,
) -> Result<(), Error> {
    let empty = Digest::of(b"");
    let by_digest: BTreeMap<Digest, &DatasitePath> =
        private.iter().map(|(path, digest)| (*digest, path)).collect();
    for (path, digest) in shown.iter().filter(|(_, digest)| **digest != empty) {
        if let Some(private) = by_digest.get(digest) {
            return Err(Error::PrivateAsMock { mock: path.clone(), private: (*private).clone() });
        }
    }
    Ok(())
}

/// Puts the readme beside the mock files and returns its name. It may be one of them already.
pub(super) fn put_readme(
    source: &Path,
    mock: &Source<'_>,
    folder: &Path,
) -> Result<DatasitePath, Error> {
    let wrong = || Error::Readme { path: source.to_owned() };
    let is_markdown = source.extension().is_some_and(|end| end.eq_ignore_ascii_case("md"));
    let name = source.file_name().filter(|_| is_markdown).ok_or_else(wrong)?;
    let path = DatasitePath::from_local(Path::new(name)).map_err(|_| wrong())?;
    let real = fs::canonicalize(source).map_err(Error::at(source))?;
    let target = path.below(folder);
    if mock.files.contains_key(&path) {
        return if files::digest(&real)? == files::digest(&target)? {
            Ok(path)
        } else {
            Err(Error::Exists { path: source.to_owned() })
        };
    }
    check_mock(mock.files.keys().chain([&path])).map_err(|refusal| mock.refused(refusal))?;
    files::copy(&real, &target)?;
    Ok(path)
}

/// Completes what is said `about` a dataset with its name and all of its addresses.
pub(super) fn describe(
    about: Metadata,
    me: &Email,
    name: &DatasetName,
    readme: Option<&DatasitePath>,
    mock_files: &[DatasitePath],
) -> Result<Metadata, Error> {
    let url = |half: Half, path: Option<&DatasitePath>| {
        let folder = format!("{}/{name}", half.folder());
        let whole = path.map_or(folder.clone(), |path| format!("{folder}/{path}"));
        let whole = DatasitePath::parse(&whole)
            .map_err(|source| Error::Path { path: PathBuf::from(whole), source })?;
        Ok::<_, Error>(SyftUrl::of(me, &whole)?)
    };
    Ok(Metadata {
        name: name.to_string(),
        mock_url: Some(url(Half::Public, None)?),
        private_url: Some(url(Half::Private, None)?),
        readme_url: readme.map(|path| url(Half::Public, Some(path))).transpose()?,
        mock_files: mock_files
            .iter()
            .map(|path| url(Half::Public, Some(path)))
            .collect::<Result<_, _>>()?,
        ..about
    })
}

/// Renames both halves into place, the private one first, and takes that back if the public one
/// cannot follow.
fn install(
    public: &Path,
    public_target: &Path,
    private: &Path,
    private_target: &Path,
) -> Result<(), Error> {
    files::sync_folders(public)?;
    files::sync_folders(private)?;
    files::rename_new(private, private_target)?;
    files::rename_new(public, public_target).inspect_err(|_| {
        // The scratch folder takes it along when it vanishes; if not even this works, the leftover
        // is listed as half a dataset and can be deleted.
        let _ = fs::rename(private_target, private);
    })
}
