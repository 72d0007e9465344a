//! Whether the sign-in to Google sends mail, and the mail of who may.

use std::sync::Arc;

use drive_api::{Endpoint, Gmail};

use super::super::configuration::{Configuration, Service};
use super::super::entering::saved_token;
use crate::channels::Error;
use crate::model::Email;
use crate::syncers::told;

/// Returns the mail of an account that is signed in to Google with the right to send.
///
/// # Errors
/// [`Error::NotGoogle`], [`Error::NoMailRight`]; if the sign-in cannot be read.
pub(super) async fn gmail(configuration: &Configuration, account: &Email) -> Result<Gmail, Error> {
    let unusable = |error: &dyn std::error::Error| Error::Secret { problem: told(error) };
    let login = configuration.login(account).map_err(|error| unusable(&error))?;
    let Some(Service::Google { token_path, drive }) = login.map(|login| login.service) else {
        return Err(Error::NotGoogle);
    };
    let tokens = saved_token(configuration, account, token_path.as_deref());
    let document = tokens.document().await.map_err(|error| unusable(&error))?;
    let scopes = document.scopes();
    // One that says nothing of rights may have them; then the service is asked.
    if !scopes.is_empty() && !document.sends_mail() {
        return Err(Error::NoMailRight);
    }
    let endpoint = drive.as_deref().map(Endpoint::at).transpose();
    let endpoint = endpoint.map_err(|error| unusable(&error))?;
    Ok(Gmail::new(endpoint.as_ref(), Arc::new(tokens)))
}
