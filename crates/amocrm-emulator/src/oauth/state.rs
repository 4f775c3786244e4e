//! Codes, grants and tokens: the part of OAuth that has memory. Time and rules are arguments, nothing here does I/O.

mod revocation;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub(crate) use self::revocation::TokenSelector;
use crate::answer::{hex, random_hex};
use crate::config::OauthRules;
use crate::oauth::jwt::{self, Claims};
use crate::oauth::refusal::Refusal;

/// An authorization code lives this long (amoCRM, "step by step").
pub(crate) const CODE_SECONDS: i64 = 20 * 60;
/// `expires_in` of every documented answer.
pub(crate) const ACCESS_SECONDS: i64 = 86_400;
/// "Three months", counted from the last refresh.
pub(crate) const REFRESH_SECONDS: i64 = 90 * 86_400;

/// Everything the authorization server remembers. Tokens are stored as digests only.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct OauthState {
    last_id: u64,
    grants: BTreeMap<u64, Grant>,
    codes: BTreeMap<String, Code>,
    pairs: BTreeMap<u64, Pair>,
    access_index: BTreeMap<String, u64>,
    refresh_index: BTreeMap<String, u64>,
}

/// What one user allowed one integration to do in one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grant {
    pub(crate) account_id: u64,
    pub(crate) user_id: u64,
    pub(crate) client_id: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) revoked: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Code {
    grant_id: u64,
    issued_at: i64,
    used: bool,
}

/// An access token, and the refresh token issued with it. Long-lived tokens have none.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Pair {
    token_id: String,
    grant_id: u64,
    /// The pair whose refresh token brought this one.
    parent: Option<u64>,
    /// Using either half of a new pair ends the grace of its parent.
    used: bool,
    access_expires_at: i64,
    access_revoked: bool,
    refresh: Option<Refresh>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Refresh {
    expires_at: i64,
    state: RefreshState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum RefreshState {
    Live,
    /// It was exchanged; until the new pair is used (`child`) it may be sent again.
    Grace {
        since: i64,
        child: u64,
    },
    Revoked,
}

/// What a token endpoint answer is made of.
#[derive(Clone)]
pub(crate) struct IssuedPair {
    pub(crate) token_id: String,
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    pub(crate) expires_in: i64,
}

/// A token that was accepted.
#[derive(Debug, Clone)]
pub(crate) struct Authenticated {
    pub(crate) grant: Grant,
    /// This was the first use of its pair, so the state has changed.
    pub(crate) first_use: bool,
}

impl OauthState {
    /// A new grant and the code that stands for it.
    pub(crate) fn issue_code(&mut self, grant: Grant, now: i64) -> String {
        let code = opaque_token();
        let grant_id = self.add_grant(grant);
        self.codes.insert(
            digest(&code),
            Code {
                grant_id,
                issued_at: now,
                used: false,
            },
        );
        code
    }

    /// Exchanges a code. `account` is the account whose host was asked, if the host names one.
    pub(crate) fn exchange_code(
        &mut self,
        code: &str,
        client_id: &str,
        account: Option<u64>,
        now: i64,
        rules: &OauthRules,
        domain: impl Fn(u64) -> String,
    ) -> Result<IssuedPair, Refusal> {
        let code = self
            .codes
            .get_mut(&digest(code))
            .ok_or(Refusal::UnknownCode)?;
        let grant = self
            .grants
            .get(&code.grant_id)
            .filter(|grant| grant.client_id == client_id);
        let grant = grant.ok_or(Refusal::UnknownCode)?;
        if account.is_some_and(|account| account != grant.account_id) {
            return Err(Refusal::InvalidAccount);
        }
        if code.used || grant.revoked {
            return Err(Refusal::CodeRevoked);
        }
        if now - code.issued_at >= CODE_SECONDS {
            return Err(Refusal::CodeExpired {
                status: rules.expired_code_status,
            });
        }
        code.used = true;
        let grant_id = code.grant_id;
        Ok(self.issue_pair(grant_id, None, now, &domain))
    }

    /// Exchanges a refresh token, with the grace amoCRM documents: the old token works until the new pair is used.
    pub(crate) fn refresh(
        &mut self,
        refresh_token: &str,
        client_id: &str,
        account: Option<u64>,
        now: i64,
        rules: &OauthRules,
        domain: impl Fn(u64) -> String,
    ) -> Result<IssuedPair, Refusal> {
        let unknown = Refusal::UnknownRefresh {
            status: rules.unknown_refresh_status,
        };
        let pair_id = *self
            .refresh_index
            .get(&digest(refresh_token))
            .ok_or(unknown)?;
        let (grant_id, state, expires_at) = match self.pairs.get(&pair_id) {
            Some(Pair {
                grant_id,
                refresh: Some(refresh),
                ..
            }) => (*grant_id, refresh.state, refresh.expires_at),
            _ => return Err(Refusal::TokenRevoked),
        };
        let grant = self.grants.get(&grant_id).ok_or(Refusal::TokenRevoked)?;
        if grant.client_id != client_id {
            return Err(Refusal::NotLinkedToClient);
        }
        if account.is_some_and(|account| account != grant.account_id) {
            return Err(Refusal::InvalidAccount);
        }
        if grant.revoked {
            return Err(Refusal::TokenRevoked);
        }
        match state {
            RefreshState::Live => {}
            RefreshState::Grace { since, child }
                if rules.grace_seconds.is_none_or(|limit| now - since < limit) =>
            {
                // The answer was lost: the pair nobody has received is replaced, not joined, by another one.
                self.kill_pair(child);
            }
            RefreshState::Grace { .. } | RefreshState::Revoked => {
                if rules.revoke_family_on_reuse {
                    self.revoke_grant(grant_id);
                }
                return Err(Refusal::TokenRevoked);
            }
        }
        if now >= expires_at {
            return Err(Refusal::RefreshExpired);
        }
        self.use_pair(pair_id, rules);
        let issued = self.issue_pair(grant_id, Some(pair_id), now, &domain);
        let state = if rules.strict_rotation {
            RefreshState::Revoked
        } else {
            RefreshState::Grace {
                since: now,
                child: self.last_id,
            }
        };
        if let Some(pair) = self.pairs.get_mut(&pair_id) {
            pair.access_revoked |= rules.strict_rotation && rules.revoke_old_access;
            if let Some(refresh) = &mut pair.refresh {
                refresh.state = state;
            }
        }
        Ok(issued)
    }

    /// Accepts or refuses an access token; accepting counts as using its pair.
    pub(crate) fn authenticate(
        &mut self,
        access_token: &str,
        now: i64,
        rules: &OauthRules,
    ) -> Option<Authenticated> {
        let pair_id = *self.access_index.get(&digest(access_token))?;
        let pair = self.pairs.get(&pair_id)?;
        let grant = self.grants.get(&pair.grant_id)?;
        if pair.access_revoked || grant.revoked || now >= pair.access_expires_at {
            return None;
        }
        let grant = grant.clone();
        let first_use = self.use_pair(pair_id, rules);
        Some(Authenticated { grant, first_use })
    }

    /// Names a token's owner without judging or using it; expired and revoked tokens are named as well.
    pub(crate) fn identify(&self, access_token: &str) -> Option<(&str, &Grant)> {
        let pair = self
            .pairs
            .get(self.access_index.get(&digest(access_token))?)?;
        Some((&pair.token_id, self.grants.get(&pair.grant_id)?))
    }

    /// The grant of a refresh token that would still be accepted.
    pub(crate) fn refresh_owner(&self, refresh_token: &str, now: i64) -> Option<&Grant> {
        let pair = self
            .pairs
            .get(self.refresh_index.get(&digest(refresh_token))?)?;
        let refresh = pair.refresh.as_ref()?;
        let grant = self.grants.get(&pair.grant_id)?;
        let is_good =
            refresh.state != RefreshState::Revoked && now < refresh.expires_at && !grant.revoked;
        is_good.then_some(grant)
    }

    /// A pair for a grant that no code was needed for: the credentials printed at the start.
    pub(crate) fn issue_pair_for(
        &mut self,
        grant: Grant,
        now: i64,
        domain: impl Fn(u64) -> String,
    ) -> IssuedPair {
        let grant_id = self.add_grant(grant);
        self.issue_pair(grant_id, None, now, &domain)
    }

    /// A token without a refresh token that expires at `expires_at`. Returns its identifier and itself.
    pub(crate) fn issue_long_lived(
        &mut self,
        grant: Grant,
        now: i64,
        expires_at: i64,
        domain: impl Fn(u64) -> String,
    ) -> (String, String) {
        let grant_id = self.add_grant(grant);
        self.issue_access(grant_id, None, None, now, expires_at, &domain)
    }

    fn add_grant(&mut self, grant: Grant) -> u64 {
        self.last_id += 1;
        self.grants.insert(self.last_id, grant);
        self.last_id
    }

    fn issue_pair(
        &mut self,
        grant_id: u64,
        parent: Option<u64>,
        now: i64,
        domain: &dyn Fn(u64) -> String,
    ) -> IssuedPair {
        let refresh_token = opaque_token();
        let refresh = Refresh {
            expires_at: now + REFRESH_SECONDS,
            state: RefreshState::Live,
        };
        let (token_id, access_token) = self.issue_access(
            grant_id,
            parent,
            Some(refresh),
            now,
            now + ACCESS_SECONDS,
            domain,
        );
        self.refresh_index
            .insert(digest(&refresh_token), self.last_id);
        IssuedPair {
            token_id,
            access_token,
            refresh_token,
            expires_in: ACCESS_SECONDS,
        }
    }

    /// Adds the pair; its number is `last_id` afterwards.
    fn issue_access(
        &mut self,
        grant_id: u64,
        parent: Option<u64>,
        refresh: Option<Refresh>,
        now: i64,
        expires_at: i64,
        domain: &dyn Fn(u64) -> String,
    ) -> (String, String) {
        let jti = random_hex(40);
        let token_id = jti.chars().take(12).collect::<String>();
        let access_token = self
            .grants
            .get(&grant_id)
            .map_or_else(String::new, |grant| {
                let base_domain = domain(grant.account_id);
                jwt::encode(
                    &Claims::new(grant, &jti, now, expires_at, &base_domain),
                    &jti,
                )
            });
        self.last_id += 1;
        self.access_index
            .insert(digest(&access_token), self.last_id);
        let pair = Pair {
            token_id: token_id.clone(),
            grant_id,
            parent,
            used: false,
            access_expires_at: expires_at,
            access_revoked: false,
            refresh,
        };
        self.pairs.insert(self.last_id, pair);
        (token_id, access_token)
    }

    /// Notes the first use of a pair, which ends the grace of its parent. Returns whether it was the first.
    fn use_pair(&mut self, pair_id: u64, rules: &OauthRules) -> bool {
        let Some(pair) = self.pairs.get_mut(&pair_id) else {
            return false;
        };
        if std::mem::replace(&mut pair.used, true) {
            return false;
        }
        let parent = pair.parent.and_then(|parent| self.pairs.get_mut(&parent));
        if let Some(parent) = parent {
            parent.access_revoked |= rules.revoke_old_access;
            if let Some(refresh) = &mut parent.refresh {
                refresh.state = RefreshState::Revoked;
            }
        }
        true
    }

    fn kill_pair(&mut self, pair_id: u64) {
        if let Some(pair) = self.pairs.get_mut(&pair_id) {
            pair.access_revoked = true;
            if let Some(refresh) = &mut pair.refresh {
                refresh.state = RefreshState::Revoked;
            }
        }
    }
}

/// Codes and refresh tokens look like the encrypted payloads of the vendor's server: long, and starting alike.
fn opaque_token() -> String {
    format!("def50200{}", random_hex(320))
}

fn digest(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}
