//! Where an administrator gives consent.

use std::fmt;

use url::Url;

use crate::error::{Error, Result};

/// What happens to the windows after consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConsentMode {
    /// The consent window closes and the main window goes to the redirect URI.
    #[default]
    Popup,
    /// The consent window itself goes to the redirect URI; the integrator closes it.
    PostMessage,
}

/// The address of the consent page.
///
/// ```
/// use amocrm_sdk::oauth::AuthorizeUrl;
///
/// let url = AuthorizeUrl::new("11111111-2222-4333-8444-555555555555").state("s-42").build()?;
/// assert_eq!(
///     url.as_str(),
///     "https://www.amocrm.ru/oauth?client_id=11111111-2222-4333-8444-555555555555&mode=popup&state=s-42"
/// );
/// # Ok::<(), amocrm_sdk::Error>(())
/// ```
///
/// Source: <https://www.amocrm.ru/developers/content/oauth/step-by-step>.
#[derive(Clone)]
pub struct AuthorizeUrl {
    client_id: String,
    state: Option<String>,
    mode: ConsentMode,
    base: String,
}

impl AuthorizeUrl {
    /// The consent page of amoCRM (`www.amocrm.ru`) for this integration.
    pub fn new(client_id: impl Into<String>) -> Self {
        Self {
            client_id: client_id.into(),
            state: None,
            mode: ConsentMode::Popup,
            base: "https://www.amocrm.ru".to_owned(),
        }
    }

    /// The consent page of Kommo (`www.kommo.com`).
    #[must_use]
    pub fn kommo(self) -> Self {
        self.base_url("https://www.kommo.com")
    }

    /// Another host, such as an emulator's: `http://127.0.0.1:8900`.
    #[must_use]
    pub fn base_url(mut self, base: impl Into<String>) -> Self {
        self.base = base.into();
        self
    }

    /// A random value that comes back with the callback: it proves that the consent was asked for by you.
    #[must_use]
    pub fn state(mut self, state: impl Into<String>) -> Self {
        self.state = Some(state.into());
        self
    }

    /// What happens to the windows after consent.
    #[must_use]
    pub fn mode(mut self, mode: ConsentMode) -> Self {
        self.mode = mode;
        self
    }

    /// The address.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) when the base is not an `http(s)` URL.
    pub fn build(&self) -> Result<Url> {
        let mut url = Url::parse(&self.base)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https"))
            .ok_or_else(|| {
                Error::invalid_input("the consent page's base needs the form https://host")
            })?;
        url.set_path("/oauth");
        let mode = match self.mode {
            ConsentMode::Popup => "popup",
            ConsentMode::PostMessage => "post_message",
        };
        url.query_pairs_mut()
            .append_pair("client_id", &self.client_id)
            .append_pair("mode", mode);
        if let Some(state) = &self.state {
            url.query_pairs_mut().append_pair("state", state);
        }
        Ok(url)
    }
}

/// `state` proves who asked: it stays out of logs.
impl fmt::Debug for AuthorizeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizeUrl")
            .field("client_id", &self.client_id)
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}
