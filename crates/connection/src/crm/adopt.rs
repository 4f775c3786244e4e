//! Taking over `AMOCRM_REFRESH_TOKEN`.

use std::fmt::Write as _;

use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use super::{Crm, Linked};
use crate::CrmError;

/// Setting with the hash of the `AMOCRM_REFRESH_TOKEN` that was taken over last.
const ADOPTED_SETTING: &str = "amocrm.adopted_refresh_token";

impl Crm {
    /// Takes over `AMOCRM_REFRESH_TOKEN` unless the database has tokens, or had this one: it was used up, or an
    /// administrator has disconnected the account since.
    pub(super) async fn adopt_configured(&self, linked: &Linked) -> Result<bool, CrmError> {
        let Some((refresh, mark)) = self.unused_refresh_token().await? else {
            return Ok(false);
        };
        linked.client.oauth().adopt_refresh_token(refresh).await?;
        self.store
            .meta()
            .put(&self.setup.setting(ADOPTED_SETTING), &mark)
            .await?;
        Ok(true)
    }

    /// Puts a refresh token that was configured later in the place of tokens that amoCRM refuses.
    pub(super) async fn replace_by_configured(&self, linked: &Linked) -> Result<bool, CrmError> {
        if self.unused_refresh_token().await?.is_none() {
            return Ok(false);
        }
        linked.client.oauth().disconnect().await?;
        self.adopt_configured(linked).await
    }

    /// The configured refresh token, with what it is remembered by, if it was never taken over.
    async fn unused_refresh_token(&self) -> Result<Option<(&SecretString, String)>, CrmError> {
        let Some(refresh) = self.setup.amocrm.refresh_token() else {
            return Ok(None);
        };
        // A hash is no secret: the token is long and random.
        let mark = hex(&Sha256::digest(refresh.expose_secret()));
        let setting = self.setup.setting(ADOPTED_SETTING);
        let adopted: Option<String> = self.store.meta().get(&setting).await?;
        Ok((adopted.as_ref() != Some(&mark)).then_some((refresh, mark)))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
