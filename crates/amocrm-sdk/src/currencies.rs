//! Currencies that amoCRM knows. The vendor documents them only in its own client.

use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::client::Client;
use crate::de;
use crate::entity::{List, Never, awaited, resource};
use crate::error::Result;
use crate::id::kind;

resource! {
    /// Currencies: [`Client::currencies`].
    pub struct Currencies of Currency: kind::Currency, "currencies";
    /// Reads currencies.
    list(with = Never, filter = Never, order = Never);
}

impl Client {
    /// Currencies that amoCRM knows.
    pub fn currencies(&self) -> Currencies {
        Currencies::at(self, "/api/v4/currencies")
    }
}

impl Currencies {
    /// The currency of this code, such as `RUB`. It is looked for in the list, page by page.
    pub fn by_code(&self, code: impl Into<String>) -> FindCurrency {
        FindCurrency {
            list: self.list(),
            code: code.into(),
        }
    }
}

/// Looks a currency up; awaiting gives `None` when amoCRM does not know it.
#[derive(Debug, Clone)]
#[must_use = "nothing is read until it is awaited"]
pub struct FindCurrency {
    list: List<Currency>,
    code: String,
}

impl FindCurrency {
    async fn run(self) -> Result<Option<Currency>> {
        let mut currencies = self.list.stream();
        while let Some(currency) = currencies.try_next().await? {
            if currency.code.eq_ignore_ascii_case(&self.code) {
                return Ok(Some(currency));
            }
        }
        Ok(None)
    }
}

awaited!(FindCurrency => Option<Currency>);

/// A currency as amoCRM tells it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Currency {
    /// Three letters: `RUB`.
    #[serde(default, deserialize_with = "de::text")]
    pub code: String,
    /// What else amoCRM tells of it; the names of these parts are documented nowhere.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code)
    }
}
