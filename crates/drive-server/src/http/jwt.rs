//! Service accounts that act for a person, as Google has it: a statement that the account's key has
//! signed is exchanged for a token of that person (RFC 7523 with `sub`).
//!
//! Everything is checked, in the order and with the words of Google's own answers: issuer,
//! signature, audience, times, scopes, and whether the account may act for this person. Source:
//! <https://developers.google.com/identity/protocols/oauth2/service-account>, "JWT error codes".

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::Value;

use crate::options::ServiceAccount;

pub(super) const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// How far a clock may be off, in seconds.
const SKEW_SECONDS: i64 = 300;
/// The longest that a statement may be good for.
const LIFE_SECONDS_MAX: i64 = 3600;

/// Why a statement is refused: OAuth's code and the words.
pub(super) type Refusal = (&'static str, &'static str);

const MALFORMED: Refusal = ("invalid_request", "Bad Request");
const TIMES: Refusal = (
    "invalid_grant",
    "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. \
     Check your iat and exp values in the JWT claim.",
);
const NOT_ALLOWED: Refusal = (
    "unauthorized_client",
    "Client is unauthorized to retrieve access tokens using this method, or client not authorized \
     for any of the scopes requested.",
);

/// Returns for whom a statement asks, if the account that signed it may do so.
pub(super) fn person(
    statement: &str,
    accounts: &[ServiceAccount],
    audience: &str,
    scope: &str,
    now_seconds: i64,
) -> Result<String, Refusal> {
    let (signed, signature) = statement.rsplit_once('.').ok_or(MALFORMED)?;
    let (header, claims) = signed.split_once('.').ok_or(MALFORMED)?;
    let (header, claims) = (json(header)?, json(claims)?);
    if header["alg"] != "RS256" {
        return Err(MALFORMED);
    }
    let issuer = claims["iss"].as_str().unwrap_or_default();
    let account = accounts.iter().find(|account| account.email == issuer);
    let account = account.ok_or(("invalid_grant", "Invalid grant: account not found"))?;
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &account.public_key);
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| MALFORMED)?;
    let is_theirs = key.verify(signed.as_bytes(), &signature).is_ok();
    if !is_theirs {
        return Err(("invalid_grant", "Invalid JWT Signature."));
    }
    if claims["aud"] != audience {
        return Err(("invalid_grant", "Invalid JWT: Failed audience check."));
    }
    let (issued, ends) = (claims["iat"].as_i64(), claims["exp"].as_i64());
    let (Some(issued), Some(ends)) = (issued, ends) else { return Err(TIMES) };
    let in_time = issued <= now_seconds + SKEW_SECONDS
        && ends > now_seconds - SKEW_SECONDS
        && (1..=LIFE_SECONDS_MAX).contains(&(ends - issued));
    if !in_time {
        return Err(TIMES);
    }
    let scopes = claims["scope"].as_str().unwrap_or_default();
    if scopes != scope || account.may_act_for.is_empty() {
        return Err(NOT_ALLOWED);
    }
    let person = claims["sub"].as_str().unwrap_or_default();
    if account.may_act_for.iter().any(|known| known == person) {
        Ok(person.to_owned())
    } else {
        Err(("invalid_grant", "Invalid email or User ID"))
    }
}

fn json(part: &str) -> Result<Value, Refusal> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| MALFORMED)?;
    serde_json::from_slice(&bytes).map_err(|_| MALFORMED)
}
