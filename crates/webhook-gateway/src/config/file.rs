//! `gateway.toml`: accounts and subscribers, read and checked whole, with the line of everything that is wrong.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use service_kit::config::{AmocrmConfig, COMMON_VARIABLES, Environment, Problems, Section as _};
use service_kit::signature::SigningKeys;
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use super::account::AccountConfig;
use super::delivery::DeliveryConfig;
use super::gateway::{check_secret, read_events};
use super::subscriber::{SubscriberSettings, is_name};

/// Names of settings whose values are never repeated.
const SECRETS: [&str; 5] = [
    "secret",
    "client_secret",
    "access_token",
    "refresh_token",
    "proxy",
];

/// What is wrong with the file, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there, with the name of the setting.
    pub message: String,
}

/// A subscriber of the file.
#[derive(Clone)]
pub struct FileSubscriber {
    /// Its name.
    pub name: String,
    /// What is said about it.
    pub settings: SubscriberSettings,
    /// What deliveries are signed with.
    pub secret: Option<SecretString>,
}

/// The whole file.
#[derive(Debug, Clone, Default)]
pub struct GatewayFile {
    /// `[[account]]`.
    pub accounts: Vec<AccountConfig>,
    /// `[[subscriber]]`.
    pub subscribers: Vec<FileSubscriber>,
}

/// What the file is read with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) environment: &'a Environment,
    pub(crate) delivery: &'a DeliveryConfig,
    /// How long amoCRM is waited for before a delivery.
    pub(crate) enriching: Duration,
    /// The account of `AMOCRM_*`: what accounts of the file do not say themselves.
    pub(crate) common: &'a AmocrmConfig,
    pub(crate) has_nats: bool,
    /// An empty collection of problems.
    pub(crate) problems: &'a Problems,
}

impl fmt::Debug for FileSubscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSubscriber")
            .field("name", &self.name)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl GatewayFile {
    /// Reads the text of `gateway.toml`.
    ///
    /// # Errors
    ///
    /// Everything that is wrong, in the order of its lines. No value of a secret.
    pub(crate) fn parse(text: &str, around: Surroundings<'_>) -> Result<Self, Vec<FileError>> {
        // The parser's message may quote the line, which may hold a secret: its first line tells what is wrong.
        let syntax = |error: &toml::de::Error| {
            let line = line_at(text, error.span().map_or(0, |span| span.start));
            let message = error
                .message()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned();
            vec![FileError { line, message }]
        };
        let places = DeTable::parse(text).map_err(|error| syntax(&error))?;
        let values: Table = toml::from_str(text).map_err(|error| syntax(&error))?;
        let mut reader = Reader {
            text,
            around,
            errors: Vec::new(),
        };
        let file = reader.file(values, places.get_ref());
        if reader.errors.is_empty() {
            Ok(file)
        } else {
            reader.errors.sort_by_key(|error| error.line);
            Err(reader.errors)
        }
    }
}

/// What `[[account]]` may say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAccount {
    name: String,
    account_id: Option<u64>,
    events: Option<Vec<String>>,
}

struct Reader<'a> {
    text: &'a str,
    around: Surroundings<'a>,
    errors: Vec<FileError>,
}

/// A table of the file, with what is needed to say where something is.
struct Entry<'a> {
    /// `account «main»`.
    title: String,
    offset: usize,
    places: Option<&'a DeTable<'a>>,
}

impl Entry<'_> {
    /// Where a setting begins: `events.0` is looked for as `events`.
    fn offset_of(&self, key: &str) -> usize {
        let key = key.split(['.', '[']).next().unwrap_or(key);
        self.places
            .and_then(|places| places.iter().find(|(name, _)| name.get_ref() == key))
            .map_or(self.offset, |(name, _)| name.span().start)
    }
}

impl Reader<'_> {
    fn file(&mut self, mut values: Table, places: &DeTable<'_>) -> GatewayFile {
        let accounts = self.tables(&mut values, places, "account");
        let subscribers = self.tables(&mut values, places, "subscriber");
        for key in values.keys() {
            let offset = places
                .iter()
                .find(|(name, _)| name.get_ref() == key)
                .map_or(0, |(name, _)| name.span().start);
            self.wrong_at(
                offset,
                format!("`{key}`: there are only [[account]] and [[subscriber]] here; other settings are variables"),
            );
        }
        let mut names = BTreeSet::new();
        let mut file = GatewayFile::default();
        for (entry, table) in accounts {
            if let Some(account) = self.account(&entry, table) {
                if !names.insert(account.name.clone()) {
                    self.wrong(&entry, "name", "there are two accounts of this name");
                }
                let secret = |account: &AccountConfig| {
                    account
                        .secret
                        .as_ref()
                        .map(|secret| secret.expose_secret().to_owned())
                };
                if file
                    .accounts
                    .iter()
                    .any(|other| secret(other) == secret(&account))
                {
                    self.wrong(
                        &entry,
                        "secret",
                        "is the same as another account's: nobody could tell whose webhook came; make one with openssl rand -hex 24",
                    );
                }
                file.accounts.push(account);
            }
        }
        let known: BTreeSet<_> = names;
        let mut names = BTreeSet::new();
        for (entry, table) in subscribers {
            if let Some(subscriber) = self.subscriber(&entry, table) {
                if !names.insert(subscriber.name.clone()) {
                    self.wrong(&entry, "name", "there are two subscribers of this name");
                }
                let known = |name: &String| {
                    known.contains(name) || (known.is_empty() && name == AccountConfig::ONLY)
                };
                for (index, name) in subscriber.settings.accounts.iter().enumerate() {
                    if !known(name) {
                        self.wrong(
                            &entry,
                            &format!("accounts.{index}"),
                            "there is no account of this name",
                        );
                    }
                }
                file.subscribers.push(subscriber);
            }
        }
        file
    }

    /// The tables of `[[name]]`, taken out of the values.
    fn tables<'p>(
        &mut self,
        values: &mut Table,
        places: &'p DeTable<'p>,
        name: &str,
    ) -> Vec<(Entry<'p>, Table)> {
        let Some(value) = values.remove(name) else {
            return Vec::new();
        };
        let place = places.iter().find(|(key, _)| key.get_ref() == name);
        let offset = place.map_or(0, |(key, _)| key.span().start);
        let Value::Array(items) = value else {
            self.wrong_at(
                offset,
                format!("`{name}`: expected [[{name}]], with two brackets"),
            );
            return Vec::new();
        };
        let spans: Vec<&Spanned<DeValue<'_>>> = match place.map(|(_, value)| value.get_ref()) {
            Some(DeValue::Array(items)) => items.iter().collect(),
            _ => Vec::new(),
        };
        let mut tables = Vec::new();
        for (index, item) in items.into_iter().enumerate() {
            let span = spans.get(index).copied();
            let offset = span.map_or(offset, |span| span.span().start);
            let Value::Table(table) = item else {
                self.wrong_at(
                    offset,
                    format!("`{name}`: expected [[{name}]], with two brackets"),
                );
                continue;
            };
            let called = table
                .get("name")
                .and_then(Value::as_str)
                .filter(|name| is_name(name));
            let title = match called {
                Some(called) => format!("{name} «{called}»"),
                None => format!("{name} {}", index + 1),
            };
            let places = span.and_then(|span| match span.get_ref() {
                DeValue::Table(table) => Some(table),
                _ => None,
            });
            tables.push((
                Entry {
                    title,
                    offset,
                    places,
                },
                table,
            ));
        }
        tables
    }

    fn account(&mut self, entry: &Entry<'_>, mut table: Table) -> Option<AccountConfig> {
        let secret = self.secret(entry, &mut table, "secret");
        let mut amocrm = Table::new();
        for key in ["client_secret", "access_token", "refresh_token", "proxy"] {
            if let Some(secret) = self.secret(entry, &mut table, key) {
                amocrm.insert(key.to_owned(), secret.expose_secret().into());
            }
        }
        for key in [
            "domain",
            "client_id",
            "redirect_uri",
            "base_url",
            "integration_rps",
            "account_rps",
        ] {
            if let Some(value) = table.remove(key) {
                amocrm.insert(key.to_owned(), value);
            }
        }
        let raw: RawAccount = self.read(entry, table)?;
        self.name(entry, &raw.name);
        let amocrm = self.amocrm(entry, amocrm)?;
        match &secret {
            None => self.wrong(
                entry,
                "secret",
                "is missing: the last segment of the address that this account's webhooks come to; make one with openssl \
                 rand -hex 24, here or in the variable that secret_env names",
            ),
            Some(secret) => {
                if let Err(wrong) = check_secret(secret.expose_secret()) {
                    self.wrong(entry, "secret", &format!("the value {wrong}"));
                }
            }
        }
        let events = match raw.events.map(|codes| read_events(&codes.join(","))) {
            None => None,
            Some(Ok(events)) => Some(events),
            Some(Err(code)) => {
                self.wrong(entry, "events", &format!("`{code}` is no event of amoCRM"));
                None
            }
        };
        Some(AccountConfig {
            name: raw.name,
            secret,
            amocrm,
            account_id: raw.account_id,
            events,
        })
    }

    /// The account's keys. What it does not say is as `AMOCRM_*` say, but for what belongs to one account.
    fn amocrm(&mut self, entry: &Entry<'_>, mut table: Table) -> Option<AmocrmConfig> {
        let common = self.around.common;
        let mut default = |key: &str, value: Option<Value>| {
            if let (false, Some(value)) = (table.contains_key(key), value) {
                table.insert(key.to_owned(), value);
            }
        };
        default(
            "integration_rps",
            Some(Value::Integer(common.integration_rps.into())),
        );
        default(
            "account_rps",
            Some(Value::Integer(common.account_rps.into())),
        );
        default(
            "base_url",
            common.base_url().map(|url| Value::String(url.to_string())),
        );
        // One integration may serve several accounts.
        let says_nothing = ["client_id", "client_secret", "redirect_uri"]
            .iter()
            .all(|key| !table.contains_key(*key));
        if let (true, Some(keys)) = (says_nothing, common.credentials()) {
            let secret = keys.client_secret.expose_secret().to_owned();
            table.insert("client_id".to_owned(), keys.client_id.into());
            table.insert("client_secret".to_owned(), secret.into());
            let redirect_uri = common.redirect_uri().unwrap_or_default();
            table.insert("redirect_uri".to_owned(), redirect_uri.into());
        }
        let amocrm: AmocrmConfig = self.read(entry, table)?;
        let mut problems = self.around.problems.clone();
        amocrm.validate(&mut problems);
        if let Err(errors) = problems.into_result() {
            for problem in errors.problems() {
                let key = COMMON_VARIABLES
                    .iter()
                    .find(|variable| variable.name == problem.variable)
                    .and_then(|variable| variable.key.strip_prefix("amocrm."))
                    .unwrap_or(&problem.variable);
                self.wrong(
                    entry,
                    key,
                    &format!("{}; expected {}", problem.wrong, problem.expected),
                );
            }
        }
        Some(amocrm)
    }

    fn subscriber(&mut self, entry: &Entry<'_>, mut table: Table) -> Option<FileSubscriber> {
        let secret = self.secret(entry, &mut table, "secret");
        let Some(Value::String(name)) = table.remove("name") else {
            self.wrong(entry, "name", "is missing");
            return None;
        };
        self.name(entry, &name);
        let settings: SubscriberSettings = self.read(entry, table)?;
        let delivery = self.around.delivery;
        for wrong in settings.check(
            delivery.longest_timeout(),
            self.around.enriching,
            &delivery.guard(),
        ) {
            self.wrong(entry, &wrong.field, &wrong.message);
        }
        if let Err(wrong) = settings.headers(self.around.environment) {
            self.wrong(entry, "headers", &wrong);
        }
        if settings.nats.is_some() && !self.around.has_nats {
            self.wrong(entry, "nats", "NATS_URL is unset: say where the server is");
        }
        match &secret {
            Some(secret) => {
                if let Err(expected) = SigningKeys::parse(secret) {
                    self.wrong(entry, "secret", &format!("the value is no such key; expected {expected}"));
                }
            }
            None if settings.url.is_some() => self.wrong(
                entry,
                "secret",
                "is missing: deliveries are signed with it; make one with echo whsec_$(openssl rand -base64 32), here or in \
                 the variable that secret_env names",
            ),
            None => {}
        }
        Some(FileSubscriber {
            name,
            settings,
            secret,
        })
    }

    fn name(&mut self, entry: &Entry<'_>, name: &str) {
        if !is_name(name) {
            self.wrong(
                entry,
                "name",
                "expected 1 to 64 letters, digits, `-` or `_`, beginning with a letter or digit",
            );
        }
    }

    /// A secret that stands here, or in the variable that `KEY_env` names.
    fn secret(&mut self, entry: &Entry<'_>, table: &mut Table, key: &str) -> Option<SecretString> {
        let named = format!("{key}_env");
        match (table.remove(key), table.remove(&named)) {
            (None, None) => None,
            (Some(_), Some(_)) => {
                self.wrong(
                    entry,
                    key,
                    &format!("is given, and {named} as well; expected one of the two"),
                );
                None
            }
            (Some(Value::String(text)), None) => Some(SecretString::from(text)),
            (None, Some(Value::String(variable))) => {
                let value = self.around.environment.get(&variable);
                if value.is_none() {
                    self.wrong(entry, &named, &format!("the variable {variable} is unset"));
                }
                value.map(SecretString::from)
            }
            (Some(_), None) => {
                self.wrong(
                    entry,
                    key,
                    "the value has the wrong type; expected a text in quotes",
                );
                None
            }
            (None, Some(_)) => {
                self.wrong(entry, &named, "expected the name of a variable in quotes");
                None
            }
        }
    }

    fn read<T: DeserializeOwned>(&mut self, entry: &Entry<'_>, table: Table) -> Option<T> {
        match serde_path_to_error::deserialize(Value::Table(table)) {
            Ok(read) => Some(read),
            Err(error) => {
                let path = error.path().to_string();
                let message = error.inner().to_string();
                let message = message.lines().next().unwrap_or_default();
                // "unknown field `x`" names the setting itself.
                let unknown = message
                    .strip_prefix("unknown field `")
                    .and_then(|rest| rest.split_once('`'))
                    .map(|(name, _)| name.to_owned());
                let key = unknown.unwrap_or(path);
                let is_secret = SECRETS.iter().any(|secret| key.starts_with(secret));
                let message = if is_secret {
                    "the value has the wrong type"
                } else {
                    message
                };
                self.wrong(entry, &key, message);
                None
            }
        }
    }

    fn wrong(&mut self, entry: &Entry<'_>, key: &str, message: &str) {
        let offset = entry.offset_of(key);
        let message = if key.is_empty() || key == "." {
            format!("{}: {message}", entry.title)
        } else {
            format!("{}: {key}: {message}", entry.title)
        };
        self.wrong_at(offset, message);
    }

    fn wrong_at(&mut self, offset: usize, message: String) {
        let line = line_at(self.text, offset);
        self.errors.push(FileError { line, message });
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    before.filter(|byte| **byte == b'\n').count() + 1
}
