//! The kinds of what can go wrong: short names that programs tell the cases apart by.
//!
//! A name never changes its meaning once it is released. What each one means, what mostly causes it
//! and which command helps is in the command line's `explain`, and in `docs/errors.md`, which is
//! made from that.

use std::fmt;

macro_rules! codes {
    ($($(#[$meaning:meta])* $name:ident = $text:literal,)*) => {
        /// What kind of thing went wrong, for programs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[$meaning])* $name,)*
        }

        impl Code {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Returns the name, in kebab case.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

codes! {
    /// No account is logged in here, or not the one that was named.
    NotLoggedIn = "not-logged-in",
    /// Several accounts are logged in, and the command does not say which one is meant.
    SeveralAccounts = "several-accounts",
    /// The sign-in belongs to another account than the one that was named.
    WrongAccount = "wrong-account",
    /// Only the other side can do this: the owner of the data, or the scientist.
    WrongRole = "wrong-role",
    /// A deletion was begun and not finished.
    DeletionBegun = "deletion-begun",
    /// The SyftBox was deleted on the drive, and is not put there again by itself.
    Deleted = "deleted",
    /// Another `syft` works on the same SyftBox.
    Locked = "locked",
    /// A file of the configuration cannot be used.
    Configuration = "configuration",
    /// What was set for all commands cannot be used.
    Settings = "settings",
    /// Neither systemd nor cron is there to run a service.
    ServiceNoManager = "service-no-manager",
    /// A unit of this name was written by somebody else.
    ServiceNotOurs = "service-not-ours",
    /// A path cannot be written into a unit or a crontab.
    ServiceUnfit = "service-unfit",
    /// A program of the system could not install, remove or show a service.
    ServiceProgram = "service-program",
    /// The settings of `syft serve` cannot be used.
    ServeSettings = "serve-settings",
    /// What somebody is to be told by cannot be used.
    BadSetting = "bad-setting",
    /// What there was to tell could not be sent this way yet.
    NotTold = "not-told",
    /// Nobody is told anything this way.
    NobodyTold = "nobody-told",
    /// There is no password, and nobody who could type it.
    NoPassword = "no-password",
    /// There is no such program to tell.
    NoProgram = "no-program",
    /// Anybody could get an address that the rule means.
    OpenToAll = "open-to-all",
    /// There is no such rule for whom to approve.
    UnknownRule = "unknown-rule",
    /// The home folder of this user is not known.
    NoHome = "no-home",
    /// Signing in did not work.
    SignIn = "sign-in",
    /// The Drive API is off in the Google Cloud project of the program's client.
    ApiOff = "api-off",
    /// The sign-in does not include the files of the drive.
    MissingScope = "missing-scope",
    /// The organization of the account does not allow the program.
    AdminPolicy = "admin-policy",
    /// Google does not let the program in.
    AppBlocked = "app-blocked",
    /// The clock of this machine is off, by what the drive or the object store says.
    ClockOff = "clock-off",
    /// The sign-in is good for a time only, as with a Google app in Testing.
    AppInTesting = "app-in-testing",
    /// The Google app is not published, as far as is known.
    NotPublished = "not-published",
    /// The credentials of the program are not accepted.
    BadClient = "bad-client",
    /// Access was not granted in the browser.
    AccessDenied = "access-denied",
    /// A browser cannot come back to the program.
    NoLoopback = "no-loopback",
    /// Nobody finished signing in in time.
    NobodySignedIn = "nobody-signed-in",
    /// What was pasted does not end the sign-in.
    WrongPaste = "wrong-paste",
    /// A file to sign in with cannot be used.
    SignInFile = "sign-in-file",
    /// The keyring that keeps the sign-in, or was to keep it, cannot be used.
    Keyring = "keyring",
    /// Others on this machine may read the secret of a sign-in.
    SecretReadable = "secret-readable",
    /// A service account would act for itself.
    ServiceAccountAlone = "service-account-alone",
    /// The service account may not act for people.
    NoDelegation = "no-delegation",
    /// There is nobody whom the service account could act for.
    NobodyToActFor = "nobody-to-act-for",
    /// The key of the service account is not accepted.
    BadKey = "bad-key",
    /// The address of the drive is none.
    BadAddress = "bad-address",
    /// The command line is wrong.
    Usage = "usage",
    /// The command was interrupted.
    Interrupted = "interrupted",
    /// Nothing was done, because nobody confirmed it.
    NotConfirmed = "not-confirmed",
    /// A file or folder that was named cannot be used.
    File = "file",
    /// Standard input could not be read.
    Stdin = "stdin",
    /// The text is not the JSON that the command reads.
    Json = "json",
    /// The program could not start.
    Runtime = "runtime",
    /// The folder is not empty.
    NotEmpty = "not-empty",
    /// The demonstration did not do what it shows.
    Demo = "demo",
    /// A private value was found where it must not be.
    Leak = "leak",
    /// Something on the own disk could not be read or written.
    Disk = "disk",
    /// Nothing can be written where the files are to lie.
    HomeNotWritable = "home-not-writable",
    /// Little space is free on the own disk.
    DiskNearlyFull = "disk-nearly-full",
    /// The state database is damaged.
    DatabaseDamaged = "database-damaged",
    /// The state database was written by a later release.
    DatabaseNewer = "database-newer",
    /// The state database was set aside while a program had it open.
    DatabaseSetAside = "database-set-aside",
    /// All or most files of a datasite are gone at once.
    SuddenlyEmpty = "suddenly-empty",
    /// The files of one datasite could not be looked at, so nothing was sent of it.
    DatasiteNotRead = "datasite-not-read",
    /// A file could not be looked at.
    FileNotRead = "file-not-read",
    /// A file changed while it was read, so it was left for later.
    FileChanging = "file-changing",
    /// A file cannot be sent, by its name or its size.
    FileCannotTravel = "file-cannot-travel",
    /// Where a file was there is a link, a device or a pipe now.
    LinkNotFollowed = "link-not-followed",
    /// Two names are one and the same on this file system.
    NameClash = "name-clash",
    /// A file that arrived could not be written here.
    NotWritten = "not-written",
    /// A file is not on disk as it was announced.
    NotSynced = "not-synced",
    /// The drive did something that nobody expected.
    Drive = "drive",
    /// The drive sent an answer that cannot be understood.
    DriveAnswer = "drive-answer",
    /// A file on the drive is gone, or is no longer shared with this account.
    DriveFileGone = "drive-file-gone",
    /// The drive does not accept the sign-in of this account any more.
    SignedOut = "signed-out",
    /// The drive does not let this account do that.
    Denied = "denied",
    /// There is no such bucket at the object store.
    NoBucket = "no-bucket",
    /// The bucket is in another region than was said.
    WrongRegion = "wrong-region",
    /// The object store cannot do what is needed of it.
    StoreUnsuitable = "store-unsuitable",
    /// The drive asks for fewer requests.
    RateLimited = "rate-limited",
    /// The drive could not be reached, or failed.
    Unavailable = "unavailable",
    /// The drive answers slowly.
    Slow = "slow",
    /// The account has no space left on the drive.
    DriveFull = "drive-full",
    /// A file on the drive has more bytes than are taken.
    FileTooLarge = "file-too-large",
    /// A file of ours on the drive is not what we write.
    OwnFile = "own-file",
    /// The folder of this account on the drive was gone and was made again.
    HomeMadeAnew = "home-made-anew",
    /// There are two folders of one name on the drive, and they could not be made one yet.
    FoldersNotMerged = "folders-not-merged",
    /// A checkpoint would be larger than any machine reads.
    CheckpointTooLarge = "checkpoint-too-large",
    /// No checkpoint could be made.
    CheckpointNotMade = "checkpoint-not-made",
    /// A checkpoint on the drive cannot be used, and was passed over.
    CheckpointNotUsable = "checkpoint-not-usable",
    /// A part of the event log is gone that this machine has not read.
    LogPruned = "log-pruned",
    /// A part of your own event log is sealed with keys that are not on this machine.
    LogNotOpened = "log-not-opened",
    /// A checkpoint of yours is sealed with keys that are not on this machine.
    CheckpointNotOpened = "checkpoint-not-opened",
    /// The event log was not shortened.
    LogNotPruned = "log-not-pruned",
    /// What waits for a peer could not be made shorter.
    OutboxNotCompacted = "outbox-not-compacted",
    /// A message that was taken in could not be moved away.
    NotArchived = "not-archived",
    /// The short form of the event log could not be written.
    RollingStateNotSent = "rolling-state-not-sent",
    /// This person is not among your peers.
    UnknownPeer = "unknown-peer",
    /// This person has made no request that you could answer.
    NoRequest = "no-request",
    /// The address is that of your own account.
    OwnAccount = "own-account",
    /// It is not known yet which version the other side runs.
    VersionUnknown = "version-unknown",
    /// The other side runs a version that does not work with this one.
    VersionMismatch = "version-mismatch",
    /// The other side runs a version that does not work with this one, so nothing is exchanged with it.
    VersionIncompatible = "version-incompatible",
    /// The version of a peer could not be read.
    VersionNotRead = "version-not-read",
    /// Somebody pretended to be somebody else in a request.
    ForgedRequest = "forged-request",
    /// The folders for a peer could not be made.
    PeerNotOpened = "peer-not-opened",
    /// Something on the drive that nothing needs could not be deleted.
    OrphanNotDeleted = "orphan-not-deleted",
    /// Something of ours for a peer is gone from the drive and could not be made again.
    PeerNotMended = "peer-not-mended",
    /// Something of ours for a peer was gone from the drive and was made again.
    PeerMended = "peer-mended",
    /// The list of your peers on the drive could not be read.
    PeersNotRead = "peers-not-read",
    /// A peer has deleted its SyftBox.
    PeerDeparted = "peer-departed",
    /// Not every peer could be told of the deletion.
    PeersNotTold = "peers-not-told",
    /// The folder into which messages for a peer go is gone.
    MailboxGone = "mailbox-gone",
    /// A message could not be fetched.
    MessageNotRead = "message-not-read",
    /// A message breaks a rule.
    MessageQuarantined = "message-quarantined",
    /// One sender sent so much nonsense that the oldest of it goes.
    QuarantineFull = "quarantine-full",
    /// A part of a message breaks a rule and was left out.
    EventNotUsable = "event-not-usable",
    /// An owner sent changes of somebody else's datasite.
    EventForOtherDatasite = "event-for-other-datasite",
    /// A rule file cannot be used, so nobody but the owner may do anything below it.
    RulesNotUsable = "rules-not-usable",
    /// The rule could not be changed.
    PermissionNotChanged = "permission-not-changed",
    /// Something is kept here and was not sent yet.
    NotSent = "not-sent",
    /// A deletion was not sent to the owner yet.
    DeletionNotSent = "deletion-not-sent",
    /// This account has no keys on this machine.
    NoKeys = "no-keys",
    /// There are keys on this machine already.
    KeysExist = "keys-exist",
    /// These keys have no recovery words.
    NoRecoveryWords = "no-recovery-words",
    /// The peer has published no keys.
    KeysNotOffered = "keys-not-offered",
    /// The fingerprint is not that of the keys that the peer published.
    FingerprintMismatch = "fingerprint-mismatch",
    /// The words are no recovery words, or the text no key.
    InvalidKeys = "invalid-keys",
    /// The key file cannot be used.
    KeyFile = "key-file",
    /// This account is encrypted, and keys that are needed are not on this machine.
    KeysMissing = "keys-missing",
    /// Another machine of this account uses other keys.
    KeysReplaced = "keys-replaced",
    /// The keys of a peer are not those that were accepted.
    KeyChanged = "key-changed",
    /// You demand encryption, and this peer has no keys.
    NotEncrypted = "not-encrypted",
    /// Nobody has compared the keys that are published in the name of this peer.
    NotCompared = "not-compared",
    /// Where the files of this account are, nothing goes unencrypted.
    EncryptionDemanded = "encryption-demanded",
    /// A message came in plain from a peer with whom you work encrypted.
    MessageNotSealed = "message-not-sealed",
    /// A file of our own on the drive is not sealed, and was not used.
    NotSealed = "not-sealed",
    /// A sealed file of our own cannot be opened, and was not used.
    SealedFileNotUsable = "sealed-file-not-usable",
    /// Nothing can be sealed for the keys of a peer.
    NotSealedFor = "not-sealed-for",
    /// Uploaded private halves are not all sealed with the new keys yet.
    PrivateHalfNotResealed = "private-half-not-resealed",
    /// The keys that a peer published are no keys.
    KeysNotUsable = "keys-not-usable",
    /// A peer seals its messages, and its keys were not seen yet.
    KeysNotSeen = "keys-not-seen",
    /// The keys of a peer could not be fetched.
    KeysNotRead = "keys-not-read",
    /// Your keys could not be published for a peer.
    KeysNotPublished = "keys-not-published",
    /// Keys that you published could not be taken back.
    KeysNotWithdrawn = "keys-not-withdrawn",
    /// There is no such dataset.
    UnknownDataset = "unknown-dataset",
    /// Several people have a dataset or a job of this name.
    Ambiguous = "ambiguous",
    /// There is a dataset of this name already.
    DatasetExists = "dataset-exists",
    /// The name cannot be that of a dataset.
    InvalidDatasetName = "invalid-dataset-name",
    /// A mock file has the same content as a private one.
    PrivateAsMock = "private-as-mock",
    /// The files cannot become a dataset.
    DatasetFiles = "dataset-files",
    /// What is here of a dataset is damaged or incomplete.
    DatasetDamaged = "dataset-damaged",
    /// A file of the dataset changed while it was uploaded.
    DatasetChanged = "dataset-changed",
    /// The files of a peer's dataset are not taken.
    DatasetNotTaken = "dataset-not-taken",
    /// A dataset of yours is gone from the drive.
    DatasetGone = "dataset-gone",
    /// Something that looks like a dataset was ignored.
    DatasetIgnored = "dataset-ignored",
    /// A dataset of a peer could not be fetched.
    DatasetNotFetched = "dataset-not-fetched",
    /// A dataset of yours could not be published.
    DatasetNotPublished = "dataset-not-published",
    /// A private half is not uploaded, since others could look into the folder.
    PrivateHalfVisible = "private-half-visible",
    /// A dataset that is gone could not be removed here.
    DatasetNotRemoved = "dataset-not-removed",
    /// A dataset of yours could not be brought to this machine.
    DatasetNotRestored = "dataset-not-restored",
    /// A dataset of yours could not be deleted on the drive yet.
    DatasetNotDeleted = "dataset-not-deleted",
    /// A dataset of yours could not be given its new content yet.
    DatasetNotUpdated = "dataset-not-updated",
    /// Another machine of yours has updated a dataset, but not the private half on this one.
    PrivateHalfNotUpdated = "private-half-not-updated",
    /// The private half of a dataset is not on this machine.
    NoPrivateHalf = "no-private-half",
    /// There is nothing at the place that was asked for.
    NothingThere = "nothing-there",
    /// An address leads to no place in a SyftBox.
    OutsideSyftbox = "outside-syftbox",
    /// A dataset could not be shared with somebody.
    DatasetNotShared = "dataset-not-shared",
    /// There is no such job.
    UnknownJob = "unknown-job",
    /// There is a job of this name already.
    JobExists = "job-exists",
    /// The name cannot be that of a job.
    InvalidJobName = "invalid-job-name",
    /// What is to be submitted is no job.
    InvalidSubmission = "invalid-submission",
    /// What is to be submitted is a job, and probably not what its submitter wants to send.
    DoubtfulSubmission = "doubtful-submission",
    /// A job did not do on mock data what is expected of it.
    TryFailed = "try-failed",
    /// What was waited for has not happened in time.
    TimedOut = "timed-out",
    /// A file that would be written is there already.
    FileExists = "file-exists",
    /// What was submitted breaks a rule, so nothing is done with it.
    JobUnusable = "job-unusable",
    /// The job is not in a state in which this can be done.
    JobRefused = "job-refused",
    /// Nobody on this machine approved the job as it is.
    JobNotApprovedHere = "job-not-approved-here",
    /// The job changed after it was looked at or approved.
    JobChanged = "job-changed",
    /// The job left nothing of that name.
    NoSuchResult = "no-such-result",
    /// What would be released is not what was shown.
    ResultChanged = "result-changed",
    /// The job has no file of that name.
    JobFileUnknown = "job-file-unknown",
    /// No standing approval is called so, or more than one.
    UnknownStanding = "unknown-standing",
    /// There can be no such standing approval.
    InvalidStanding = "invalid-standing",
    /// Jobs that a standing approval lets run could not be approved.
    JobsNotAdmitted = "jobs-not-admitted",
    /// Another process runs this very job.
    JobBusy = "job-busy",
    /// Another machine of the owner runs the job.
    JobRunsElsewhere = "job-runs-elsewhere",
    /// A job was cancelled, and whoever runs it does not end it.
    JobNotStopped = "job-not-stopped",
    /// Something could not be done with a job.
    Job = "job",
    /// This machine cannot confine jobs, so none was run.
    NoSandbox = "no-sandbox",
    /// No Python was found that could run the job.
    NoPython = "no-python",
    /// Jobs that arrived could not be looked at.
    JobsNotReceived = "jobs-not-received",
    /// Jobs that were running when the machine stopped could not be closed.
    JobsNotRecovered = "jobs-not-recovered",
    /// A job that was cut off could not be closed.
    JobNotClosed = "job-not-closed",
    /// The folders into which a peer may send jobs could not be made.
    JobFoldersNotMade = "job-folders-not-made",
    /// The data folder is served by another process.
    InUse = "in-use",
    /// The server cannot listen on this address.
    Listen = "listen",
    /// The name of an account is no e-mail address.
    NotAnEmail = "not-an-email",
    /// The token cannot be used.
    BadToken = "bad-token",
    /// A file or folder of the server cannot be used.
    Folder = "folder",
    /// The database of the server fails.
    DriveServer = "drive-server",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl serde::Serialize for Code {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl PartialEq<&str> for Code {
    fn eq(&self, text: &&str) -> bool {
        self.as_str() == *text
    }
}
