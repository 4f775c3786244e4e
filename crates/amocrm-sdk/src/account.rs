//! The account itself.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/account-info>.

use serde::Deserialize;
use serde_json::Value;

use crate::client::Client;
use crate::customers::CustomersMode;
use crate::de;
use crate::entity::{awaited, words};
use crate::error::Result;
use crate::id::{AccountId, CatalogId, TaskTypeId, UserGroupId, UserId};
use crate::request::{Operation, Request, declare};

const GET: Operation = Operation::idempotent("account.get");

/// The account: [`Client::account`].
#[derive(Debug, Clone)]
pub struct Accounts {
    client: Client,
}

declare!(Accounts: GET);

impl Client {
    /// The account that this client is for.
    pub fn account(&self) -> Accounts {
        Accounts {
            client: self.clone(),
        }
    }
}

impl Accounts {
    /// Reads the account.
    pub fn get(&self) -> GetAccount {
        GetAccount {
            client: self.client.clone(),
            with: Vec::new(),
        }
    }
}

/// Reads the account.
#[derive(Debug, Clone)]
#[must_use = "nothing is read until it is awaited"]
pub struct GetAccount {
    client: Client,
    with: Vec<AccountWith>,
}

impl GetAccount {
    /// Adds more to the answer.
    pub fn with(mut self, with: impl IntoIterator<Item = AccountWith>) -> Self {
        self.with.extend(with);
        self
    }

    /// The request.
    pub fn into_request(self) -> Request {
        let request = Request::get(GET, "/api/v4/account");
        if self.with.is_empty() {
            return request;
        }
        let words: Vec<_> = self.with.iter().map(ToString::to_string).collect();
        request.query("with", words.join(","))
    }

    async fn run(self) -> Result<Account> {
        let client = self.client.clone();
        client.expect(self.into_request()).await
    }
}

awaited!(GetAccount => Account);

words! {
    /// What a read of the account adds on request.
    pub enum AccountWith {
        /// [`Account::amojo_id`].
        AmojoId = "amojo_id",
        /// [`Account::uuid`].
        Uuid = "uuid",
        /// [`AccountEmbedded::amojo_rights`].
        AmojoRights = "amojo_rights",
        /// [`AccountEmbedded::users_groups`].
        UsersGroups = "users_groups",
        /// [`AccountEmbedded::task_types`].
        TaskTypes = "task_types",
        /// [`Account::version`].
        Version = "version",
        /// [`Account::entity_names`].
        EntityNames = "entity_names",
        /// [`AccountEmbedded::datetime_settings`].
        DatetimeSettings = "datetime_settings",
        /// [`Account::drive_url`].
        DriveUrl = "drive_url",
        /// [`Account::is_api_filter_enabled`].
        IsApiFilterEnabled = "is_api_filter_enabled",
        /// [`Account::invoices_settings`].
        InvoicesSettings = "invoices_settings",
    }
}

/// An account as amoCRM tells it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its name.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
    /// The first part of its host.
    #[serde(default, deserialize_with = "de::text")]
    pub subdomain: String,
    /// The user whose token this is.
    #[serde(default, deserialize_with = "de::id_or_zero")]
    pub current_user_id: Option<UserId>,
    /// Two letters: `RU`.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub country: Option<String>,
    /// Three letters: `RUB`.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub currency: Option<String>,
    /// `₽`.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub currency_symbol: Option<String>,
    /// How it has customers, if it has any.
    #[serde(default)]
    pub customers_mode: Option<CustomersMode>,
    /// Whether incoming leads are collected.
    #[serde(default, deserialize_with = "de::flag")]
    pub is_unsorted_on: bool,
    /// Whether loss reasons are used.
    #[serde(default, deserialize_with = "de::flag")]
    pub is_loss_reason_enabled: bool,
    /// Whether it belongs to a developer.
    #[serde(default, deserialize_with = "de::flag")]
    pub is_technical_account: bool,
    /// Whether names are shown as "first last" (1) or "last first" (2).
    #[serde(default, deserialize_with = "de::opt_number")]
    pub contact_name_display_order: Option<i64>,
    /// Its id in the chat service, with [`AccountWith::AmojoId`].
    #[serde(default, deserialize_with = "de::opt_text")]
    pub amojo_id: Option<String>,
    /// Its UUID, with [`AccountWith::Uuid`].
    #[serde(default, deserialize_with = "de::opt_text")]
    pub uuid: Option<String>,
    /// amoCRM's version, with [`AccountWith::Version`].
    #[serde(default, deserialize_with = "de::opt_number")]
    pub version: Option<i64>,
    /// Where its files live, with [`AccountWith::DriveUrl`].
    #[serde(default, deserialize_with = "de::opt_text")]
    pub drive_url: Option<String>,
    /// Whether filters by custom fields work, with [`AccountWith::IsApiFilterEnabled`].
    #[serde(default, deserialize_with = "de::opt_flag")]
    pub is_api_filter_enabled: Option<bool>,
    /// Where its invoices live, with [`AccountWith::InvoicesSettings`].
    #[serde(default, deserialize_with = "de::opt_object")]
    pub invoices_settings: Option<InvoicesSettings>,
    /// How its users call entities, by language, with [`AccountWith::EntityNames`]: as amoCRM tells it.
    #[serde(default)]
    pub entity_names: Option<Value>,
    /// What [`AccountWith`] adds.
    #[serde(rename = "_embedded", default, deserialize_with = "de::object")]
    pub embedded: AccountEmbedded,
}

/// What is embedded in an account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct AccountEmbedded {
    /// With [`AccountWith::UsersGroups`].
    #[serde(deserialize_with = "de::list")]
    pub users_groups: Vec<UserGroup>,
    /// With [`AccountWith::TaskTypes`].
    #[serde(deserialize_with = "de::list")]
    pub task_types: Vec<TaskType>,
    /// With [`AccountWith::AmojoRights`].
    #[serde(deserialize_with = "de::opt_object")]
    pub amojo_rights: Option<AmojoRights>,
    /// With [`AccountWith::DatetimeSettings`].
    #[serde(deserialize_with = "de::opt_object")]
    pub datetime_settings: Option<DatetimeSettings>,
}

/// A group (department) of users; `0` is the default one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct UserGroup {
    /// Its id.
    pub id: UserGroupId,
    /// Its name.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
    /// Its UUID.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub uuid: Option<String>,
}

/// A type of tasks: 1 is a call, 2 a meeting.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct TaskType {
    /// Its id.
    pub id: TaskTypeId,
    /// Its name.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
    /// Its colour.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub color: Option<String>,
    /// Its icon.
    #[serde(default, deserialize_with = "de::opt_number")]
    pub icon_id: Option<u64>,
    /// Its code: `FOLLOW_UP`, `MEETING`.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub code: Option<String>,
}

/// What the account may do in the chat service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct AmojoRights {
    /// Whether users may write to each other.
    #[serde(default, deserialize_with = "de::flag")]
    pub can_direct: bool,
    /// Whether users may create groups.
    #[serde(default, deserialize_with = "de::flag")]
    pub can_create_groups: bool,
}

/// How the account shows dates.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct DatetimeSettings {
    /// `d.m.Y H:i`.
    #[serde(deserialize_with = "de::opt_text")]
    pub date_pattern: Option<String>,
    /// `d.m.Y`. One page of the documentation misspells the name.
    #[serde(alias = "date_formant", deserialize_with = "de::opt_text")]
    pub date_format: Option<String>,
    /// `H:i:s`.
    #[serde(deserialize_with = "de::opt_text")]
    pub time_format: Option<String>,
    /// `Europe/Moscow`.
    #[serde(deserialize_with = "de::opt_text")]
    pub timezone: Option<String>,
    /// `+03:00`.
    #[serde(deserialize_with = "de::opt_text")]
    pub timezone_offset: Option<String>,
}

/// Where the account's invoices live.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct InvoicesSettings {
    /// Their language.
    #[serde(deserialize_with = "de::opt_text")]
    pub lang: Option<String>,
    /// Their catalog.
    #[serde(deserialize_with = "de::opt_id")]
    pub invoices_catalog_id: Option<CatalogId>,
}
