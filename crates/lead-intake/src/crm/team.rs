//! The account's users, as far as managers are chosen among them.

use std::fmt;

use amocrm_sdk::ErrorKind;
use amocrm_sdk::account::AccountWith;
use amocrm_sdk::users::User;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::TryStreamExt as _;
use serde::{Deserialize, Serialize};

use super::{Crm, CrmError, Linked};

/// After this time the users are read again: people come and go. Two requests.
const FRESH_FOR: TimeDelta = TimeDelta::minutes(5);
/// The same after they could not be read.
const AGAIN_AFTER: TimeDelta = TimeDelta::minutes(1);

/// The users of an account.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Team {
    pub(crate) read_at: DateTime<Utc>,
    pub(crate) members: Vec<Member>,
    pub(crate) groups: Vec<Group>,
    /// Why there are none: amoCRM shows its users to administrators only.
    pub(crate) refusal: Option<String>,
}

/// A user.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) email: Option<String>,
    /// 0 is the group that every account has.
    pub(crate) group: u64,
    /// May log in, and sees deals.
    pub(crate) is_active: bool,
}

/// A group of users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) id: u64,
    pub(crate) name: String,
}

impl Team {
    /// What is known, read from the account if that was long ago. It is kept in the database, as the mapping is.
    pub(crate) async fn current(crm: &Crm, linked: &Linked) -> Result<Self, CrmError> {
        let Some(mut known) = Self::stored(crm, &linked.account).await? else {
            return Self::read(crm, linked).await;
        };
        if known.is_fresh(crm.now()) {
            return Ok(known);
        }
        match Self::read(crm, linked).await {
            // Old names are better than none; the delivery will find out whether amoCRM is away.
            Err(CrmError::Sdk(error)) if known.refusal.is_none() => {
                tracing::warn!("the users cannot be read, the last list is used: {error}");
                known.read_at = crm.now() - FRESH_FOR + AGAIN_AFTER;
                known.keep(crm, linked).await?;
                Ok(known)
            }
            outcome => outcome,
        }
    }

    /// Notes that the users cannot be read, so that not every lead finds it out anew.
    pub(crate) async fn give_up(
        crm: &Crm,
        linked: &Linked,
        refusal: String,
    ) -> Result<Self, CrmError> {
        let team = Self {
            read_at: crm.now(),
            members: Vec::new(),
            groups: Vec::new(),
            refusal: Some(refusal),
        };
        team.keep(crm, linked).await?;
        Ok(team)
    }

    /// What was read last, however old.
    pub(crate) async fn last_known(crm: &Crm) -> Result<Option<Self>, CrmError> {
        match crm.account_name().await? {
            Some(account) => Self::stored(crm, &account).await,
            None => Ok(None),
        }
    }

    /// Reads users and groups from the account. That amoCRM does not show them is an answer too.
    pub(crate) async fn read(crm: &Crm, linked: &Linked) -> Result<Self, CrmError> {
        let client = &linked.client;
        let users: Result<Vec<User>, _> = client.users().list().stream().try_collect().await;
        let team = match users {
            Ok(users) => {
                let account = client
                    .account()
                    .get()
                    .with([AccountWith::UsersGroups])
                    .await?;
                let groups = account.embedded.users_groups.into_iter();
                Self {
                    read_at: crm.now(),
                    members: users.into_iter().map(Member::from).collect(),
                    groups: groups
                        .map(|group| Group {
                            id: group.id.get(),
                            name: group.name,
                        })
                        .collect(),
                    refusal: None,
                }
            }
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::Forbidden | ErrorKind::PaymentRequired | ErrorKind::NotFound
                ) =>
            {
                tracing::warn!(
                    "amoCRM does not show its users, so it decides who is responsible: {error}"
                );
                return Self::give_up(crm, linked, error.to_string()).await;
            }
            Err(error) => return Err(error.into()),
        };
        team.keep(crm, linked).await?;
        Ok(team)
    }

    /// Everybody who may be responsible.
    pub(crate) fn active(&self) -> Vec<i64> {
        let active = self.members.iter().filter(|member| member.is_active);
        active.map(|member| member.id).collect()
    }

    /// What a user is called.
    pub(crate) fn name(&self, user: i64) -> Option<&str> {
        let member = self.members.iter().find(|member| member.id == user)?;
        Some(&member.name)
    }

    /// The users whom somebody calls so: by id, e-mail or name.
    pub(crate) fn called<'a>(&'a self, word: &'a str) -> impl Iterator<Item = &'a Member> {
        let wanted = plain(word);
        self.members
            .iter()
            .filter(move |member| member.is_called(word, &wanted))
    }

    /// The group of this name.
    pub(crate) fn group(&self, name: &str) -> Option<&Group> {
        let wanted = plain(name);
        self.groups
            .iter()
            .find(|group| plain(&group.name) == wanted)
    }

    fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        let fresh_for = match self.refusal {
            Some(_) => AGAIN_AFTER,
            None => FRESH_FOR,
        };
        (now - self.read_at).abs() < fresh_for
    }

    async fn keep(&self, crm: &Crm, linked: &Linked) -> Result<(), CrmError> {
        let key = setting(&linked.account);
        Ok(crm.store().meta().put(&key, self).await?)
    }

    async fn stored(crm: &Crm, account: &str) -> Result<Option<Self>, CrmError> {
        // A list of another release is read anew.
        let value: Option<serde_json::Value> = crm.store().meta().get(&setting(account)).await?;
        Ok(value.and_then(|value| serde_json::from_value(value).ok()))
    }
}

/// Only how many: they are employees.
impl fmt::Debug for Team {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Team")
            .field("members", &self.members.len())
            .field("groups", &self.groups.len())
            .finish_non_exhaustive()
    }
}

impl Member {
    fn is_called(&self, word: &str, plain_word: &str) -> bool {
        let is_email = self
            .email
            .as_deref()
            .is_some_and(|email| plain(email) == plain_word);
        is_email || word.trim().parse() == Ok(self.id) || plain(&self.name) == plain_word
    }
}

impl From<User> for Member {
    fn from(user: User) -> Self {
        Self {
            id: i64::try_from(user.id.get()).unwrap_or(i64::MAX),
            name: user.name,
            email: user.email,
            group: user.rights.group_id.map_or(0, amocrm_sdk::Id::get),
            is_active: user.rights.is_active && !user.rights.is_free,
        }
    }
}

fn setting(account: &str) -> String {
    format!("team/{account}")
}

/// In small letters, with single spaces.
fn plain(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().map(str::to_lowercase).collect();
    words.join(" ")
}
