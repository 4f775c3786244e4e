//! What comes back to the redirect URI.

use std::fmt;

use secrecy::SecretString;

use crate::error::{Error, Result};

/// The query of a request to the redirect URI.
///
/// ```
/// use amocrm_sdk::oauth::Callback;
///
/// let query = "code=def502aa11&state=s-42&referer=acme.amocrm.ru&platform=1&client_id=1111";
/// let Callback::Granted(grant) = Callback::parse(query)? else { panic!("refused") };
/// assert_eq!(grant.account, "acme.amocrm.ru");
/// assert_eq!(grant.state.as_deref(), Some("s-42"));
/// # Ok::<(), amocrm_sdk::Error>(())
/// ```
///
/// Source: <https://www.amocrm.ru/developers/content/oauth/step-by-step>.
#[derive(Debug, Clone)]
pub enum Callback {
    /// Consent was given.
    Granted(Grant),
    /// Consent was refused.
    Refused(Refusal),
}

/// Consent: everything needed to get tokens.
#[derive(Clone)]
#[non_exhaustive]
pub struct Grant {
    /// Authorization code: 20 minutes, single use.
    pub code: SecretString,
    /// Host of the account, without a scheme: what the client is built for.
    pub account: String,
    /// Your `state`. Absent when a widget was installed.
    pub state: Option<String>,
    /// The integration.
    pub client_id: Option<String>,
    /// A widget was installed: amoCRM itself sent this request, and there is no `state` to compare.
    pub from_widget: bool,
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("account", &self.account)
            .field("client_id", &self.client_id)
            .field("from_widget", &self.from_widget)
            .finish_non_exhaustive()
    }
}

/// No consent.
#[derive(Clone)]
#[non_exhaustive]
pub struct Refusal {
    /// `access_denied`.
    pub error: String,
    /// Your `state`.
    pub state: Option<String>,
    /// The integration.
    pub client_id: Option<String>,
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal")
            .field("error", &self.error)
            .field("client_id", &self.client_id)
            .finish_non_exhaustive()
    }
}

/// Where accounts live. A client is built for the callback's host and sends it the integration's secret, so a host
/// that anybody could have put into the link is not taken.
///
/// Source: <https://www.amocrm.ru/developers/content/api/recommendations>.
const VENDOR_DOMAINS: [&str; 3] = [".amocrm.ru", ".amocrm.com", ".kommo.com"];

impl Callback {
    /// Reads the query string (without `?`) of a request to the redirect URI. The account has to be one of amoCRM's or
    /// Kommo's.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput), naming the parameter that is missing or wrong.
    pub fn parse(query: &str) -> Result<Self> {
        Self::parse_for(query, |host| {
            VENDOR_DOMAINS.iter().any(|domain| host.ends_with(domain))
        })
    }

    /// As [`parse`](Self::parse), for accounts at hosts of your choice: emulators, gateways.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn parse_for(query: &str, is_known_host: impl Fn(&str) -> bool) -> Result<Self> {
        let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
        let find = |name: &str| {
            pairs
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.to_string())
                .filter(|value| !value.is_empty())
        };
        let (state, client_id) = (find("state"), find("client_id"));
        if let Some(error) = find("error") {
            return Ok(Self::Refused(Refusal {
                error,
                state,
                client_id,
            }));
        }
        let missing = |name: &str| Error::invalid_input(format!("the callback lacks `{name}`"));
        let code = find("code").ok_or_else(|| missing("code"))?;
        // One page of the vendor's documentation spells it with two r's; its examples do not.
        let referer = find("referer")
            .or_else(|| find("referrer"))
            .ok_or_else(|| missing("referer"))?;
        let account = host(&referer)
            .filter(|host| is_known_host(host))
            .ok_or_else(|| {
                Error::invalid_input(
                    "`referer` of the callback is not a host such as `acme.amocrm.ru`",
                )
            })?;
        let from_widget = find("from_widget").is_some_and(|value| value != "0");
        Ok(Self::Granted(Grant {
            code: code.into(),
            account,
            state,
            client_id,
            from_widget,
        }))
    }
}

/// A host with an optional port; a scheme or a trailing slash is tolerated.
fn host(text: &str) -> Option<String> {
    let bare = text
        .trim_start_matches("https://")
        .trim_start_matches("http://")
        .trim_end_matches('/');
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
    (!bare.is_empty() && bare.chars().all(allowed)).then(|| bare.to_ascii_lowercase())
}
