//! Accounts get other names. The tokens, the leads and all that was read stay under the first one; requests go to the
//! newest.

use super::{Crm, Linked};
use crate::CrmError;

/// Where an account lives now.
fn host_setting(account: &str) -> String {
    format!("amocrm.host/{account}")
}

/// Which account lives here now.
fn name_setting(host: &str) -> String {
    format!("amocrm.renamed/{host}")
}

impl Crm {
    /// Where the account lives, if not under its first name.
    pub(super) async fn host(&self, account: &str) -> Result<Option<String>, CrmError> {
        Ok(self.store.meta().get(&host_setting(account)).await?)
    }

    /// The name under which we met the account that is called `host` now.
    pub(super) async fn first_name(&self, host: String) -> Result<String, CrmError> {
        let name = self.store.meta().get(&name_setting(&host)).await?;
        Ok(name.unwrap_or(host))
    }

    /// Keeps the host that a renewal has found, so that the next start goes there at once.
    pub(super) async fn keep_host(&self, linked: &Linked) {
        let host = linked.client.domain();
        let known = self.with(|state| state.host.clone());
        if known.as_deref().unwrap_or(&linked.account) == host {
            return;
        }
        let meta = self.store.meta();
        let stored = async {
            meta.put(&name_setting(&host), &linked.account).await?;
            meta.put(&host_setting(&linked.account), &host).await
        };
        match stored.await {
            Ok(()) => {
                tracing::info!(
                    account.name = linked.account,
                    account.host = host,
                    "the account was renamed; requests go to its new host"
                );
                self.with(|state| state.host = Some(host));
            }
            Err(error) => {
                tracing::warn!("the account's new host cannot be stored: {error}");
            }
        }
    }
}
