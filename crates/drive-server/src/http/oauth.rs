//! Sign-in, as Google has it for installed programs: a page on which one consents, a code that
//! comes back to the program on loopback, tokens for the code.
//!
//! Who consents proves himself with the account's secret, so that nobody else can. A code is good
//! once, for ten minutes, for the same program and address, and with PKCE for whoever asked only.
//! Sources: RFC 6749, RFC 7636, RFC 8252.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hyper::{Method, StatusCode};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::{
    App,
    api_error::ApiError,
    call::{Call, FORM_BYTES_MAX, Params},
    jwt, oauth_page,
    reply::{self, Answer, Reply},
};
use crate::{
    accounts, clock,
    store::{
        ids,
        tokens::{self, Grant, Kind},
    },
};

const SCOPE: &str = "https://www.googleapis.com/auth/drive";
/// The right to send mail: asked for and granted as at Google, although nothing here sends any.
pub(super) const MAIL_SCOPE: &str = "https://www.googleapis.com/auth/gmail.send";
/// How a code ends that stands for both rights. A code is looked up whole, so that nobody adds it.
const WITH_MAIL: &str = ".mail";

/// Life of a code, in milliseconds.
const CODE_LIFE_MS: i64 = 10 * 60 * 1000;

/// What a program asks of the sign-in page.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) client: String,
    pub(crate) redirect: String,
    pub(crate) state: Option<String>,
    pub(crate) challenge: Option<String>,
    pub(crate) hint: String,
    /// The right to send mail is asked for.
    pub(crate) mail: bool,
}

impl Ask {
    /// Reads the parameters; says in words what is wrong with them.
    fn read(query: &Params) -> Result<Self, &'static str> {
        let text = |name| query.get(name).filter(|value| !value.is_empty()).map(str::to_owned);
        if query.get("response_type") != Some("code") {
            return Err("The program must ask for response_type=code.");
        }
        let client = text("client_id").filter(|client| client.len() <= 256);
        let redirect = text("redirect_uri").filter(|uri| is_loopback(uri));
        let challenge = text("code_challenge");
        if challenge.is_some() && query.get("code_challenge_method") != Some("S256") {
            return Err("The program must use code_challenge_method=S256.");
        }
        Ok(Self {
            client: client.ok_or("The program must name its client_id.")?,
            redirect: redirect.ok_or(
                "The program must name a redirect_uri on this computer, such as \
                        http://127.0.0.1:8085/.",
            )?,
            state: text("state"),
            challenge,
            hint: text("login_hint").unwrap_or_default(),
            mail: text("scope").is_some_and(|all| all.split(' ').any(|one| one == MAIL_SCOPE)),
        })
    }

    /// Returns the program's address with these parameters, and the state that it gave us.
    fn back(&self, name: &str, value: &str) -> String {
        let Ok(mut url) = Url::parse(&self.redirect) else { return self.redirect.clone() };
        url.query_pairs_mut().append_pair(name, value);
        if let Some(state) = &self.state {
            url.query_pairs_mut().append_pair("state", state);
        }
        if name == "code" {
            url.query_pairs_mut().append_pair("scope", &scope_of(value));
        }
        url.into()
    }
}

/// True for `http://127.0.0.1…`, `http://[::1]…` and `http://localhost…`: codes must not travel.
fn is_loopback(uri: &str) -> bool {
    let Ok(url) = Url::parse(uri) else { return false };
    let local = match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    local && url.scheme() == "http" && url.username().is_empty() && uri.len() <= 2048
}

pub(crate) async fn authorize(app: &App, call: &mut Call) -> Answer {
    let posted = match call.method {
        Method::GET => false,
        Method::POST => {
            let form = call.take_body(FORM_BYTES_MAX).await?;
            call.query.extend(Params::parse(&form)?);
            true
        }
        _ => return Err(ApiError::method()),
    };
    let ask = match Ask::read(&call.query) {
        Ok(ask) => ask,
        Err(problem) => return Ok(page(StatusCode::BAD_REQUEST, oauth_page::problem(problem))),
    };
    if !posted {
        return Ok(page(StatusCode::OK, oauth_page::consent(&ask, &ask.hint, None)));
    }
    if call.query.get("choice") == Some("deny") {
        return Ok(redirect(&ask.back("error", "access_denied")));
    }
    let given = call.query.get("email").unwrap_or_default().to_owned();
    let secret = call.query.get("secret").unwrap_or_default().trim().to_owned();
    let email = accounts::parse_email(&given).unwrap_or_default();
    let found = app.store.read(move |c| tokens::sign_in(c, &email, &secret)).await?;
    let Some(principal) = found else {
        let problem = Some("This address and secret do not belong together.");
        return Ok(page(StatusCode::FORBIDDEN, oauth_page::consent(&ask, &given, problem)));
    };
    let grants_mail = ask.mail && call.query.get("mail") == Some("yes");
    let code = ids::secret() + if grants_mail { WITH_MAIL } else { "" };
    let grant = Grant {
        principal,
        client: ask.client.clone(),
        redirect: Some(ask.redirect.clone()),
        challenge: ask.challenge.clone(),
    };
    let kept = code.clone();
    app.store
        .write(move |txn| {
            let expires = Some(txn.now_ms + CODE_LIFE_MS);
            tokens::add(txn, &kept, Kind::Code, &grant, expires, None)
        })
        .await?;
    Ok(redirect(&ask.back("code", &code)))
}

pub(crate) async fn token(app: &App, call: &mut Call) -> Answer {
    if call.method != Method::POST {
        return Err(ApiError::method());
    }
    let form = Params::parse(&call.take_body(FORM_BYTES_MAX).await?)?;
    match form.get("grant_type") {
        Some("authorization_code") => exchange(app, &form).await,
        Some("refresh_token") => refresh(app, &form).await,
        Some(jwt::GRANT) => assertion(app, call, &form).await,
        _ => Ok(refused("unsupported_grant_type", "Invalid grant_type")),
    }
}

async fn exchange(app: &App, form: &Params) -> Answer {
    let code = form.get("code").unwrap_or_default().to_owned();
    let scope = scope_of(&code);
    let client = form.get("client_id").unwrap_or_default().to_owned();
    let redirect = form.get("redirect_uri").unwrap_or_default().to_owned();
    let verifier = form.get("code_verifier").unwrap_or_default();
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
    let (access, refresh) = (ids::secret(), ids::secret());
    let (new_access, new_refresh) = (access.clone(), refresh.clone());
    let (life, sign_in_life) = (app.token_life, app.sign_in_life);
    let granted = app.store.write(move |txn| {
        let grant = tokens::grant(&txn.tx, &code, Kind::Code, txn.now_ms)?;
        // Good once, also for somebody who guesses at the verifier.
        tokens::revoke(txn, &code)?;
        let fits = |grant: &Grant| {
            grant.client == client
                && grant.redirect.as_deref() == Some(redirect.as_str())
                && grant.challenge.as_ref().is_none_or(|wanted| *wanted == challenge)
        };
        let Some(grant) = grant.filter(fits) else { return Ok(false) };
        let grant = Grant { redirect: None, challenge: None, ..grant };
        let expires = txn.now_ms.saturating_add_unsigned(millis(life));
        let ends = sign_in_life.map(|life| txn.now_ms.saturating_add_unsigned(millis(life)));
        tokens::add(txn, &new_refresh, Kind::Refresh, &grant, ends, None)?;
        tokens::add(txn, &new_access, Kind::Access, &grant, Some(expires), Some(&new_refresh))?;
        Ok(true)
    });
    if !granted.await? {
        return Ok(refused("invalid_grant", "Malformed auth code."));
    }
    let mut out = answer(app, &access);
    out["scope"] = json!(scope);
    out["refresh_token"] = json!(refresh);
    if let Some(life) = sign_in_life {
        out["refresh_token_expires_in"] = json!(life.as_secs());
    }
    Ok(secret(reply::ok(&out)))
}

async fn refresh(app: &App, form: &Params) -> Answer {
    let refresh = form.get("refresh_token").unwrap_or_default().to_owned();
    let client = form.get("client_id").unwrap_or_default().to_owned();
    let access = ids::secret();
    let new_access = access.clone();
    let life = app.token_life;
    let granted = app.store.write(move |txn| {
        let grant = tokens::grant(&txn.tx, &refresh, Kind::Refresh, txn.now_ms)?;
        let Some(grant) = grant.filter(|grant| grant.client == client) else { return Ok(false) };
        let expires = txn.now_ms.saturating_add_unsigned(millis(life));
        tokens::add(txn, &new_access, Kind::Access, &grant, Some(expires), Some(&refresh))?;
        Ok(true)
    });
    let granted = granted.await?;
    Ok(if granted {
        secret(reply::ok(&answer(app, &access)))
    } else {
        refused("invalid_grant", "Token has been expired or revoked.")
    })
}

/// A service account asks for a token of a person.
async fn assertion(app: &App, call: &Call, form: &Params) -> Answer {
    let statement = form.get("assertion").unwrap_or_default();
    let audience = format!("{}/token", call.base);
    let now_seconds = clock::now_ms().div_euclid(1000);
    let person = jwt::person(statement, &app.service_accounts, &audience, SCOPE, now_seconds);
    let person = match person {
        Ok(person) => person,
        Err((code, words)) => return Ok(refused(code, words)),
    };
    let access = ids::secret();
    let new_access = access.clone();
    let life = app.token_life;
    app.store
        .write(move |txn| {
            let principal = tokens::ensure_account(txn, &person)?;
            let grant = Grant { principal, client: String::new(), redirect: None, challenge: None };
            let expires = Some(txn.now_ms.saturating_add_unsigned(millis(life)));
            tokens::add(txn, &new_access, Kind::Access, &grant, expires, None)
        })
        .await?;
    Ok(secret(reply::ok(&answer(app, &access))))
}

pub(crate) async fn revoke(app: &App, call: &mut Call) -> Answer {
    if call.method != Method::POST {
        return Err(ApiError::method());
    }
    let form = Params::parse(&call.take_body(FORM_BYTES_MAX).await?)?;
    let token = form.get("token").or_else(|| call.query.get("token")).unwrap_or_default();
    let token = token.to_owned();
    let known = app.store.write(move |txn| tokens::revoke(txn, &token)).await?;
    Ok(if known {
        reply::ok(&json!({}))
    } else {
        refused("invalid_token", "Token expired or revoked")
    })
}

fn answer(app: &App, access: &str) -> serde_json::Value {
    json!({
        "access_token": access,
        "expires_in": app.token_life.as_secs(),
        "scope": SCOPE,
        "token_type": "Bearer",
    })
}

/// The rights that a code stands for.
fn scope_of(code: &str) -> String {
    if code.ends_with(WITH_MAIL) { format!("{SCOPE} {MAIL_SCOPE}") } else { SCOPE.to_owned() }
}

fn refused(error: &str, words: &str) -> Reply {
    let body = json!({"error": error, "error_description": words});
    secret(reply::json(StatusCode::BAD_REQUEST, &body))
}

fn millis(life: std::time::Duration) -> u64 {
    u64::try_from(life.as_millis()).unwrap_or(u64::MAX)
}

fn secret(mut reply: Reply) -> Reply {
    reply::set(&mut reply, "cache-control", "no-store");
    reply
}

fn redirect(to: &str) -> Reply {
    let mut reply = reply::empty(StatusCode::SEE_OTHER);
    reply::set(&mut reply, "location", to);
    secret(reply)
}

fn page(status: StatusCode, html: String) -> Reply {
    let mut reply = reply::bytes(status, "text/html; charset=UTF-8", html);
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    reply::set(&mut reply, "content-security-policy", policy);
    reply::set(&mut reply, "referrer-policy", "no-referrer");
    secret(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_go_to_this_computer_only() {
        #[rustfmt::skip]
        let cases = [
            ("http://127.0.0.1:8085/",            true),
            ("http://localhost:1/callback",       true),
            ("http://[::1]:9/",                   true),
            ("https://evil.example/",             false),
            ("http://localhost.evil.example/",    false),
            ("http://127.0.0.1@evil.example/",    false),
            ("http://me@127.0.0.1/",              false),
            ("javascript:alert(1)",               false),
            ("/relative",                         false),
        ];
        for (uri, fine) in cases {
            assert_eq!(is_loopback(uri), fine, "{uri}");
        }
    }
}
