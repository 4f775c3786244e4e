//! Which redirect URIs an integration has registered.

use crate::config::{Config, DEFAULT_REDIRECT_URI};
use crate::world::{Integration, World};

/// The redirect URIs given at the start. They belong to the first integration of the first account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Registration<'a> {
    redirect_uris: &'a [String],
}

impl<'a> Registration<'a> {
    pub(crate) fn of(config: &'a Config) -> Self {
        Self {
            redirect_uris: &config.redirect_uris,
        }
    }

    /// Makes the first given URI the registered one, or the default one if the seed has none either.
    pub(crate) fn apply(self, world: &mut World) {
        let integration = world
            .accounts
            .first_mut()
            .and_then(|account| account.integrations.first_mut());
        match (integration, self.redirect_uris.first()) {
            (Some(integration), Some(uri)) => integration.redirect_uri.clone_from(uri),
            (Some(integration), None) if integration.redirect_uri.is_empty() => {
                DEFAULT_REDIRECT_URI.clone_into(&mut integration.redirect_uri);
            }
            _ => {}
        }
    }

    /// Whether a request may name this URI. amoCRM compares character by character.
    pub(crate) fn allows(self, integration: &Integration, uri: &str) -> bool {
        let is_main = self
            .redirect_uris
            .first()
            .is_some_and(|first| *first == integration.redirect_uri);
        integration.redirect_uri == uri
            || (is_main
                && self
                    .redirect_uris
                    .iter()
                    .any(|registered| registered == uri))
    }
}
