//! Taking over `AMOCRM_REFRESH_TOKEN`.

use secrecy::ExposeSecret as _;
use service_kit::hex;
use sha2::{Digest as _, Sha256};

use super::{Crm, Linked};
use crate::CrmError;

/// Setting with the hash of the `AMOCRM_REFRESH_TOKEN` that was taken over last.
const ADOPTED_SETTING: &str = "amocrm.adopted_refresh_token";

/// What was found in the place of refused tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replaced {
    /// The configured refresh token has taken their place.
    ByConfigured,
    /// Another process has put others there since.
    Already,
    /// Nothing: they are still the ones in force.
    Not,
}

impl Crm {
    /// Takes over `AMOCRM_REFRESH_TOKEN` unless the database has tokens, or had this one: it was used up, or an
    /// administrator has disconnected the account since.
    pub(super) async fn adopt_configured(&self, linked: &Linked) -> Result<bool, CrmError> {
        self.adopt_in_place_of(linked, None).await
    }

    /// Puts a refresh token that was configured later in the place of the tokens of `linked`, which amoCRM refuses.
    pub(super) async fn replace_refused(&self, linked: &Linked) -> Result<Replaced, CrmError> {
        let in_force = self.in_force(&linked.account).await?;
        if in_force.as_ref().map(|in_force| in_force.obtained_at) != linked.obtained_at {
            return Ok(Replaced::Already);
        }
        let refused = in_force.map(|in_force| in_force.generation);
        Ok(if self.adopt_in_place_of(linked, refused).await? {
            Replaced::ByConfigured
        } else {
            Replaced::Not
        })
    }

    /// One transaction of the store: two processes that are started with the same token must not take it over twice.
    async fn adopt_in_place_of(
        &self,
        linked: &Linked,
        refused: Option<u64>,
    ) -> Result<bool, CrmError> {
        let Some(refresh) = self.setup.amocrm.refresh_token() else {
            return Ok(false);
        };
        // A hash is no secret: the token is long and random.
        let mark = hex(&Sha256::digest(refresh.expose_secret()));
        let setting = self.setup.setting(ADOPTED_SETTING);
        let key = self.token_key(&linked.account);
        let tokens = self.store.tokens();
        Ok(tokens
            .adopt(&key, refresh, refused, &setting, &mark)
            .await?)
    }
}
