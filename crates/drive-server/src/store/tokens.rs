//! Accounts and what proves that a request is theirs. Only hashes of secrets are kept.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{Refusal, Result, Txn, access, content, files, ids, known::Holder};

/// The account that a request is made for.
#[derive(Debug, Clone)]
pub(crate) struct Me {
    pub(crate) principal: i64,
    pub(crate) email: String,
    /// Id of the account's own root folder, which clients may call `root`.
    pub(crate) root: String,
}

/// What a sign-in code or refresh token stands for.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) principal: i64,
    pub(crate) client: String,
    pub(crate) redirect: Option<String>,
    pub(crate) challenge: Option<String>,
}

/// Which kind of secret a row holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The account's own, which never expires and opens the sign-in page.
    Secret,
    /// Handed out for an hour or so.
    Access,
    Refresh,
    Code,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Access => "access",
            Self::Refresh => "refresh",
            Self::Code => "code",
        }
    }
}

/// Returns the number of a person, known from now on.
pub(crate) fn ensure_principal(txn: &Txn<'_>, kind: &str, email: &str) -> Result<i64> {
    txn.tx
        .prepare_cached(
            "INSERT OR IGNORE INTO principal (kind, email, permission_id) VALUES (?1, ?2, ?3)",
        )?
        .execute([kind, email, &ids::permission_id(email)])?;
    Ok(txn
        .tx
        .prepare_cached("SELECT id FROM principal WHERE email = ?1")?
        .query_row([email], |row| row.get(0))?)
}

/// Makes a person an account, with a root folder; harmless if they have one.
pub(crate) fn ensure_account(txn: &Txn<'_>, email: &str) -> Result<i64> {
    let principal = ensure_principal(txn, "user", email)?;
    let root: Option<i64> =
        txn.tx
            .query_row("SELECT root FROM principal WHERE id = ?1", [principal], |row| row.get(0))?;
    if root.is_none() {
        let id = format!("0A{}", &ids::file_id(&ids::random_bytes())[1..18]);
        txn.tx.execute(
            "INSERT INTO file (id, name, words, mime, owner, modifier, created_ms, modified_ms,
                               md5, sha256)
             VALUES (?1, 'My Drive', ' my drive', ?2, ?3, ?3, ?4, ?4, ?5, ?6)",
            params![
                id,
                files::FOLDER,
                principal,
                txn.now_ms,
                content::EMPTY_MD5,
                content::EMPTY_SHA256
            ],
        )?;
        let root = txn.tx.last_insert_rowid();
        txn.tx.execute(
            "UPDATE principal SET root = ?2, kind = 'user' WHERE id = ?1",
            [principal, root],
        )?;
        access::settle(txn, root)?;
        // Nobody needs to hear that an account has a root folder.
        txn.tx.execute("DELETE FROM change WHERE file = ?1", [id])?;
    }
    Ok(principal)
}

/// Gives an account one more secret; refuses with [`Refusal::SecretTaken`] somebody else's.
pub(crate) fn add_secret(txn: &Txn<'_>, principal: i64, secret: &str) -> Result<()> {
    let hash = ids::hash(secret);
    let holder: Option<i64> = txn
        .tx
        .query_row("SELECT principal FROM token WHERE hash = ?1", [hash], |row| row.get(0))
        .optional()?;
    match holder {
        Some(holder) if holder == principal => Ok(()),
        Some(_) => Err(Refusal::SecretTaken.into()),
        None => {
            let none = Grant { principal, client: String::new(), redirect: None, challenge: None };
            add(txn, secret, Kind::Secret, &none, None, None)
        }
    }
}

/// Keeps a secret's hash, until `expires_ms` if given. `parent` is the refresh token that an access
/// token stems from: revoking the one revokes the other.
pub(crate) fn add(
    txn: &Txn<'_>,
    secret: &str,
    kind: Kind,
    grant: &Grant,
    expires_ms: Option<i64>,
    parent: Option<&str>,
) -> Result<()> {
    txn.tx.execute("DELETE FROM token WHERE expires_ms < ?1", [txn.now_ms])?;
    txn.tx.execute(
        "INSERT INTO token (hash, principal, kind, client, grant_hash, redirect, challenge,
                            expires_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            ids::hash(secret),
            grant.principal,
            kind.name(),
            grant.client,
            parent.map(ids::hash),
            grant.redirect,
            grant.challenge,
            expires_ms
        ],
    )?;
    Ok(())
}

/// Returns who has a bearer token, by its hash; none if it is unknown or expired.
pub(crate) fn holder(
    connection: &Connection,
    hash: [u8; 32],
    now_ms: i64,
) -> Result<Option<Holder>> {
    let mut statement = connection.prepare_cached(
        "SELECT p.id, p.email, r.id, t.expires_ms FROM token t
         JOIN principal p ON p.id = t.principal JOIN file r ON r.seq = p.root
         WHERE t.hash = ?1 AND t.kind IN ('secret', 'access')
           AND (t.expires_ms IS NULL OR t.expires_ms > ?2)",
    )?;
    let holder = statement.query_row(params![hash, now_ms], |row| {
        let me = Me { principal: row.get(0)?, email: row.get(1)?, root: row.get(2)? };
        Ok(Holder { me, expires_ms: row.get(3)? })
    });
    Ok(holder.optional()?)
}

/// Returns the account that this e-mail address and secret open together.
pub(crate) fn sign_in(connection: &Connection, email: &str, secret: &str) -> Result<Option<i64>> {
    let mut statement = connection.prepare_cached(
        "SELECT p.id FROM token t JOIN principal p ON p.id = t.principal
         WHERE t.hash = ?1 AND t.kind = 'secret' AND p.email = ?2",
    )?;
    Ok(statement.query_row(params![ids::hash(secret), email], |row| row.get(0)).optional()?)
}

/// Returns what a code or refresh token stands for, if it is valid.
pub(crate) fn grant(
    connection: &Connection,
    secret: &str,
    kind: Kind,
    now_ms: i64,
) -> Result<Option<Grant>> {
    let mut statement = connection.prepare_cached(
        "SELECT principal, client, redirect, challenge FROM token
         WHERE hash = ?1 AND kind = ?2 AND (expires_ms IS NULL OR expires_ms > ?3)",
    )?;
    let grant = statement.query_row(params![ids::hash(secret), kind.name(), now_ms], |row| {
        Ok(Grant {
            principal: row.get(0)?,
            client: row.get(1)?,
            redirect: row.get(2)?,
            challenge: row.get(3)?,
        })
    });
    Ok(grant.optional()?)
}

/// Forgets a secret that was handed out, and all that stem from it; true if there was one.
///
/// Either end of a grant ends all of it, as at Google. An account's own secret stays: whoever
/// holds a copy must not lock the account out.
pub(crate) fn revoke(txn: &mut Txn<'_>, secret: &str) -> Result<bool> {
    let hash = ids::hash(secret);
    let parent: Option<Option<[u8; 32]>> = txn
        .tx
        .query_row(
            "SELECT grant_hash FROM token WHERE hash = ?1 AND kind <> 'secret'",
            [hash],
            |row| row.get(0),
        )
        .optional()?;
    let Some(parent) = parent else { return Ok(false) };
    let first = parent.unwrap_or(hash);
    txn.revoked = true;
    txn.tx.execute("DELETE FROM token WHERE hash IN (?1, ?2) OR grant_hash = ?1", [first, hash])?;
    Ok(true)
}

/// Returns the e-mail addresses of all accounts, sorted.
pub(crate) fn accounts(connection: &Connection) -> Result<Vec<String>> {
    let mut statement =
        connection.prepare("SELECT email FROM principal WHERE root IS NOT NULL ORDER BY email")?;
    let emails = statement.query_map([], |row| row.get(0))?;
    Ok(emails.collect::<rusqlite::Result<_>>()?)
}
