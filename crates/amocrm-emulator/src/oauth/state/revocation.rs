//! How tokens end before their time: by the control API, by an administrator, by being stolen.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{Grant, OauthState, Pair, digest};

/// Which tokens a control call is about; nothing given means all of them. No `Debug`: it may hold a token.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TokenSelector {
    /// One token, by itself; of a pair either half.
    #[serde(alias = "access_token", alias = "refresh_token")]
    pub(crate) token: Option<String>,
    /// One token, by the identifier the journal shows.
    pub(crate) token_id: Option<String>,
    /// The tokens of one integration.
    pub(crate) client_id: Option<String>,
    /// The tokens of one user.
    pub(crate) user_id: Option<u64>,
    /// Whether long-lived tokens are meant, too.
    pub(crate) long_lived: bool,
}

impl OauthState {
    /// Lets access tokens expire now; refresh tokens stay as they are. Returns how many.
    pub(crate) fn expire_access(&mut self, selector: &TokenSelector, now: i64) -> usize {
        let mut count = 0;
        for id in self.selected(selector) {
            if let Some(pair) = self.pairs.get_mut(&id)
                && pair.access_expires_at > now
            {
                pair.access_expires_at = now;
                count += 1;
            }
        }
        count
    }

    /// Revokes the grants behind the selected tokens: access and refresh tokens die together. Returns how many grants.
    pub(crate) fn revoke(&mut self, selector: &TokenSelector) -> usize {
        let pairs = self.selected(selector);
        let grants: BTreeSet<u64> = pairs
            .iter()
            .filter_map(|id| Some(self.pairs.get(id)?.grant_id))
            .filter(|grant| self.grants.get(grant).is_some_and(|grant| !grant.revoked))
            .collect();
        for grant in &grants {
            self.revoke_grant(*grant);
        }
        grants.len()
    }

    fn selected(&self, selector: &TokenSelector) -> Vec<u64> {
        if let Some(token) = &selector.token {
            let digest = digest(token);
            let access = self.access_index.get(&digest);
            return access
                .or_else(|| self.refresh_index.get(&digest))
                .copied()
                .into_iter()
                .collect();
        }
        let selected = self
            .pairs
            .iter()
            .filter(|(_, pair)| selector.selects(pair, &self.grants));
        selected.map(|(id, _)| *id).collect()
    }

    /// Revokes everything an integration was granted in an account, long-lived tokens and unused codes included.
    pub(crate) fn revoke_client(&mut self, account_id: u64, client_id: &str) {
        for grant in self.grants.values_mut() {
            grant.revoked |= grant.account_id == account_id && grant.client_id == client_id;
        }
    }

    /// Whether the integration has a living grant of one of these users: then it is installed.
    pub(crate) fn is_granted_by(&self, account_id: u64, client_id: &str, users: &[u64]) -> bool {
        self.grants.values().any(|grant| {
            !grant.revoked
                && grant.account_id == account_id
                && grant.client_id == client_id
                && users.contains(&grant.user_id)
        })
    }

    pub(super) fn revoke_grant(&mut self, grant_id: u64) {
        if let Some(grant) = self.grants.get_mut(&grant_id) {
            grant.revoked = true;
        }
    }
}

impl TokenSelector {
    fn selects(&self, pair: &Pair, grants: &BTreeMap<u64, Grant>) -> bool {
        let Some(grant) = grants.get(&pair.grant_id) else {
            return false;
        };
        if let Some(token_id) = &self.token_id {
            return *token_id == pair.token_id;
        }
        (self.long_lived || pair.refresh.is_some())
            && self
                .client_id
                .as_ref()
                .is_none_or(|client| *client == grant.client_id)
            && self.user_id.is_none_or(|user| user == grant.user_id)
    }
}
