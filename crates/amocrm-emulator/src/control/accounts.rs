//! Accounts come and change their names.

use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::oauth::IssueRequest;
use crate::seed;

/// A second account, and a third.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OpenAccount {
    subdomain: String,
    /// The subdomain unless given.
    #[serde(default)]
    name: Option<String>,
    /// `ru` for `*.amocrm.ru`, `com` for `*.kommo.com`.
    #[serde(default)]
    tld: Option<String>,
}

/// What a client of the new account has to know: the names are those of [`Credentials`](crate::Credentials).
#[derive(Serialize)]
pub(super) struct Opened {
    account_id: u64,
    subdomain: String,
    client_id: String,
    client_secret: String,
    redirect_uri: String,
    code: String,
    access_token: String,
    refresh_token: String,
    long_lived_token: String,
}

/// Opens an account as amoCRM hands it to a new customer, with an integration of its own.
pub(super) fn open(app: &App, request: OpenAccount) -> Result<Opened, String> {
    let OpenAccount {
        subdomain,
        name,
        tld,
    } = request;
    check_label(&subdomain)?;
    let is_russian = match tld.as_deref() {
        None | Some("ru") => true,
        Some("com") => false,
        Some(_) => return Err("tld: expected \"ru\" or \"com\"".to_owned()),
    };
    let now = app.clock().now();
    let (account_id, integration) = app.with_world(|world| {
        let mut accounts = world.accounts.iter();
        if accounts.any(|account| account.subdomain == subdomain) {
            return Err("subdomain: another account has it");
        }
        let name = name.as_deref().unwrap_or(&subdomain);
        let mut account = seed::another_account(world, &subdomain, name, now);
        if !is_russian {
            "com".clone_into(&mut account.tld);
            "US".clone_into(&mut account.country);
            "USD".clone_into(&mut account.currency);
        }
        let opened = (account.id, account.integrations.first().cloned());
        world.accounts.push(account);
        Ok(opened)
    })?;
    let integration = integration.ok_or("the new account has no integration")?;
    let request = IssueRequest {
        account_id: Some(account_id),
        ..IssueRequest::default()
    };
    let pair = request.pair(app)?;
    Ok(Opened {
        account_id,
        subdomain,
        client_id: integration.client_id,
        client_secret: integration.client_secret,
        redirect_uri: integration.redirect_uri,
        code: request.code(app)?,
        access_token: pair.access_token,
        refresh_token: pair.refresh_token,
        long_lived_token: request.long_lived(app)?.access_token,
    })
}

/// Gives an account, the first one unless another is named, a new subdomain.
pub(crate) fn rename(app: &App, account_id: Option<u64>, subdomain: &str) -> Result<(), String> {
    check_label(subdomain)?;
    app.with_world(|world| {
        let is_wanted = |id: u64| account_id.is_none_or(|wanted| wanted == id);
        let accounts = &mut world.accounts;
        let position = accounts.iter().position(|account| is_wanted(account.id));
        let position = position.ok_or("account_id: no such account")?;
        let mut others = accounts.iter().enumerate();
        if others.any(|(at, account)| at != position && account.subdomain == subdomain) {
            return Err("subdomain: another account has it");
        }
        subdomain.clone_into(&mut accounts[position].subdomain);
        Ok(())
    })?;
    app.mark_changed();
    Ok(())
}

fn check_label(subdomain: &str) -> Result<(), String> {
    let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_label = !subdomain.is_empty()
        && subdomain.len() <= 63
        && subdomain.chars().all(is_inner)
        && !subdomain.starts_with('-')
        && !subdomain.ends_with('-');
    if is_label {
        Ok(())
    } else {
        Err("subdomain: expected a host label of lowercase letters, digits and hyphens".to_owned())
    }
}
