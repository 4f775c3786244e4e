//! Users of the account, and what they may do. Only administrators may read them, external integrations not at all.
//!
//! amoCRM has no way to change or remove one: it activates and deactivates.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/users-api>.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::de;
use crate::entity::{HasId, Never, awaited, input, resource, words};
use crate::error::Result;
use crate::id::{RoleId, UserId, kind};
use crate::request::{Operation, Request, declare};

mod rights;

pub use self::rights::{Access, CatalogRights, EntityRights, Rights, StatusRights, UserRights};

/// Users that amoCRM adds, activates or deactivates at once.
const MAX_USERS: usize = 10;

const ACTIVATE: Operation = Operation::idempotent("users.activate");
const DEACTIVATE: Operation = Operation::idempotent("users.deactivate");
const PATH: &str = "/api/v4/users";

resource! {
    /// Users of an account: [`Client::users`].
    pub struct Users of User: kind::User, "users";
    /// Reads users.
    list(with = UserWith, filter = Never, order = Never);
    /// Reads one user.
    get(UserId);
    /// Adds users. amoCRM does so only while the account has at most 100.
    create(NewUser => User, batch = 10);
}

impl Client {
    /// Users of the account.
    pub fn users(&self) -> Users {
        Users::at(self, PATH)
    }
}

impl Users {
    /// Lets users in again. The tariff must have it; administrators are always in.
    pub fn activate(&self, users: impl IntoIterator<Item = UserId>) -> SwitchUsers {
        self.switch(ACTIVATE, "activate", users)
    }

    /// Keeps users out, as [`activate`](Self::activate).
    pub fn deactivate(&self, users: impl IntoIterator<Item = UserId>) -> SwitchUsers {
        self.switch(DEACTIVATE, "deactivate", users)
    }

    fn switch(
        &self,
        operation: Operation,
        verb: &str,
        users: impl IntoIterator<Item = UserId>,
    ) -> SwitchUsers {
        SwitchUsers {
            client: self.client.clone(),
            operation,
            path: format!("{}/{verb}", self.path),
            users: users.into_iter().collect(),
        }
    }
}

/// Activates or deactivates users, ten to a request.
#[derive(Debug, Clone)]
#[must_use = "nobody is let in or kept out until it is awaited"]
pub struct SwitchUsers {
    client: Client,
    operation: Operation,
    path: String,
    users: Vec<UserId>,
}

declare!(SwitchUsers: ACTIVATE, DEACTIVATE);

impl SwitchUsers {
    /// The requests, one per batch.
    ///
    /// # Errors
    ///
    /// None in practice: ids can always be written.
    pub fn into_requests(self) -> Result<Vec<Request>> {
        #[derive(Serialize)]
        struct User {
            id: UserId,
        }
        let request = |batch: &[UserId]| {
            let users: Vec<User> = batch.iter().map(|id| User { id: *id }).collect();
            Request::post(self.operation, &self.path).json(&users)
        };
        self.users.chunks(MAX_USERS).map(request).collect()
    }

    async fn run(self) -> Result<()> {
        let client = self.client.clone();
        for (batch, request) in self.into_requests()?.into_iter().enumerate() {
            // The documentation promises 202 and 204, depending on the page.
            let sent = client.send(request).await;
            sent.map_err(|error| error.with_item_offset(batch * MAX_USERS))?;
        }
        Ok(())
    }
}

awaited!(SwitchUsers => ());

/// A user as amoCRM tells it. `Debug` shows neither e-mail nor phone.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// Their name.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
    /// Their e-mail.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub email: Option<String>,
    /// Language of their interface: `ru`, `en`, `es`, `pt`, …
    #[serde(default, deserialize_with = "de::opt_text")]
    pub lang: Option<String>,
    /// What they may do.
    #[serde(default, deserialize_with = "de::object")]
    pub rights: UserRights,
    /// Their UUID, with [`UserWith::Uuid`].
    #[serde(default, deserialize_with = "de::opt_text")]
    pub uuid: Option<String>,
    /// Their id in the chat service, with [`UserWith::AmojoId`].
    #[serde(default, deserialize_with = "de::opt_text")]
    pub amojo_id: Option<String>,
    /// `newbie`, `candidate` or `master`, with [`UserWith::UserRank`].
    #[serde(default, deserialize_with = "de::opt_text")]
    pub user_rank: Option<String>,
    /// Their phone, with [`UserWith::PhoneNumber`].
    #[serde(default, deserialize_with = "de::opt_text")]
    pub phone_number: Option<String>,
    /// What [`UserWith`] adds.
    #[serde(rename = "_embedded", default, deserialize_with = "de::object")]
    pub embedded: UserEmbedded,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .field("rights", &self.rights)
            .finish_non_exhaustive()
    }
}

/// What is embedded in a user.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct UserEmbedded {
    /// With [`UserWith::Role`].
    #[serde(deserialize_with = "de::list")]
    pub roles: Vec<UserRole>,
    /// With [`UserWith::Group`].
    #[serde(deserialize_with = "de::list")]
    pub groups: Vec<crate::account::UserGroup>,
}

/// A role of a user.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct UserRole {
    /// Its id.
    pub id: RoleId,
    /// Its name.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
}

words! {
    /// What a list or a read of users adds on request.
    pub enum UserWith {
        /// [`UserEmbedded::roles`].
        Role = "role",
        /// [`UserEmbedded::groups`].
        Group = "group",
        /// [`User::uuid`].
        Uuid = "uuid",
        /// [`User::amojo_id`].
        AmojoId = "amojo_id",
        /// [`User::user_rank`].
        UserRank = "user_rank",
        /// [`User::phone_number`].
        PhoneNumber = "phone_number",
    }
}

impl HasId for User {
    fn raw_id(&self) -> u64 {
        self.id.get()
    }
}

input! {
    /// A user to be added. Their rights are required, if only by naming a role: [`rights`](Self::rights).
    pub struct NewUser(name: impl Into<String>, email: impl Into<String>, password: impl Into<String>);
    fields UserFields;
    both {}
    new {
        /// Sets the name: at most 50 characters, of special ones `.`, `@`, `-` and `_` only.
        text name "name";
        /// Sets the e-mail they log in with.
        text email "email";
        /// Sets the password: at least six characters, among them a digit, a small and a capital letter.
        text password "password";
        /// Sets the language of their interface: `ru`, `en`, `es`.
        text lang "lang";
        /// Sets what they may do.
        set rights "rights": Rights;
    }
    patch {}
}
