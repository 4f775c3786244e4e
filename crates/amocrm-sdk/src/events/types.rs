//! The types of events of an account.

use serde::Deserialize;

use super::EventType;
use crate::client::Client;
use crate::de;
use crate::entity::{awaited, words};
use crate::error::Result;
use crate::request::{Operation, Request, declare};

const TYPES: Operation = Operation::idempotent("events.types");

/// Reads the types of events; awaiting gives all of them.
#[derive(Debug, Clone)]
#[must_use = "nothing is read until it is awaited"]
pub struct EventTypes {
    client: Client,
    path: String,
    language: Option<Language>,
}

declare!(EventTypes: TYPES);

words! {
    /// A language of names.
    pub enum Language {
        /// English.
        English = "en",
        /// Spanish.
        Spanish = "es",
        /// Russian.
        Russian = "ru",
        /// Portuguese.
        Portuguese = "pt",
    }
}

/// A type of events, as the account has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct EventTypeInfo {
    /// The type.
    pub key: EventType,
    /// Its number. All changes of custom fields share one.
    #[serde(rename = "type", default, deserialize_with = "de::opt_number")]
    pub number: Option<u64>,
    /// Its name in the language asked for.
    #[serde(default, deserialize_with = "de::text")]
    pub lang: String,
}

impl EventTypes {
    pub(super) fn new(client: Client, path: String) -> Self {
        Self {
            client,
            path,
            language: None,
        }
    }

    /// The language of the names. Without it: the user's.
    pub fn language(mut self, language: Language) -> Self {
        self.language = Some(language);
        self
    }

    /// The request.
    pub fn into_request(self) -> Request {
        let request = Request::get(TYPES, self.path);
        match self.language {
            Some(language) => request.query("language_code", language),
            None => request,
        }
    }

    async fn run(self) -> Result<Vec<EventTypeInfo>> {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(rename = "_embedded", default, deserialize_with = "de::object")]
            embedded: Embedded,
        }

        #[derive(Default, Deserialize)]
        struct Embedded {
            #[serde(default, deserialize_with = "de::list")]
            events_types: Vec<EventTypeInfo>,
        }

        let client = self.client.clone();
        let answer: Option<Answer> = client.fetch(self.into_request()).await?;
        Ok(answer
            .map(|answer| answer.embedded.events_types)
            .unwrap_or_default())
    }
}

awaited!(EventTypes => Vec<EventTypeInfo>);
