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

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use ring::rand::SystemRandom;
    use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
    use serde_json::json;

    use super::*;

    const KEY: &str = include_str!("../../../../fixtures/google/service_account.json");
    const PUBLIC: &[u8] = include_bytes!("../../../../fixtures/google/service_account.public.der");
    const NOW: i64 = 1_800_000_000;

    fn signed(header: &Value, claims: &Value) -> String {
        let key: Value = serde_json::from_str(KEY).unwrap();
        let pem = key["private_key"].as_str().unwrap();
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let pair = RsaKeyPair::from_pkcs8(&STANDARD.decode(body).unwrap()).unwrap();
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", part(header), part(claims));
        let mut signature = vec![0; pair.public().modulus_len()];
        pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature)
            .unwrap();
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn judged(statement: &str, may_act_for: &[&str]) -> Result<String, Refusal> {
        let account = ServiceAccount {
            email: "robot@x".to_owned(),
            public_key: PUBLIC.to_vec(),
            may_act_for: may_act_for.iter().map(|person| (*person).to_owned()).collect(),
        };
        person(statement, &[account], "http://h/token", "drive", NOW)
    }

    #[test]
    fn each_claim_is_checked() {
        let good = json!({"iss": "robot@x", "sub": "me@x", "aud": "http://h/token",
            "scope": "drive", "iat": NOW - 5, "exp": NOW + 3595});
        let header = json!({"alg": "RS256"});
        assert_eq!(judged(&signed(&header, &good), &["me@x"]), Ok("me@x".to_owned()));
        assert_eq!(judged(&signed(&header, &good), &[]), Err(NOT_ALLOWED));
        #[rustfmt::skip]
        let cases = [
            (json!({"iss": "other@x"}),                          "account not found"),
            (json!({"aud": "http://elsewhere/token"}),           "Failed audience check"),
            (json!({"iat": NOW - 9000, "exp": NOW - 5400}),      "Check your iat and exp"),
            (json!({"iat": NOW + 900, "exp": NOW + 4500}),       "Check your iat and exp"),
            (json!({"exp": NOW + 9000}),                         "Check your iat and exp"),
            (json!({"exp": null}),                               "Check your iat and exp"),
            (json!({"scope": "drive.file"}),                     "not authorized for any of the scopes"),
            (json!({"sub": "you@x"}),                            "Invalid email or User ID"),
            (json!({"sub": null}),                               "Invalid email or User ID"),
        ];
        for (changes, words) in cases {
            let mut claims = good.clone();
            claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            let (_, said) = judged(&signed(&header, &claims), &["me@x"]).unwrap_err();
            assert!(said.contains(words), "{changes}: {said}");
        }
        let none = signed(&json!({"alg": "none"}), &good);
        assert_eq!(judged(&none, &["me@x"]), Err(MALFORMED));
        let mut forged = signed(&header, &good);
        let other = signed(&header, &json!({"iss": "robot@x"}));
        forged.truncate(forged.rfind('.').unwrap());
        let forged = format!("{forged}.{}", other.rsplit_once('.').unwrap().1);
        let (_, said) = judged(&forged, &["me@x"]).unwrap_err();
        assert_eq!(said, "Invalid JWT Signature.");
        assert_eq!(judged("nonsense", &["me@x"]), Err(MALFORMED));
    }
}
