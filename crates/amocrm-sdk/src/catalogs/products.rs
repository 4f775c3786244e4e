//! Whether an account has products.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/products-api>. The version of these calls that lives with
//! the others is documented only in the vendor's own client.

use serde::{Deserialize, Serialize};

use crate::client::Client;
use crate::de;
use crate::entity::awaited;
use crate::error::Result;
use crate::id::CatalogId;
use crate::request::{Operation, Request, declare};

const GET: Operation = Operation::idempotent("products.settings.get");
const SET: Operation = Operation::idempotent("products.settings.set");
const PATH: &str = "/api/v4/catalogs/products/settings";

/// Whether the account has products: [`Client::products`]. The products themselves are elements of the catalog of type
/// [`CatalogType::Products`](super::CatalogType::Products).
#[derive(Debug, Clone)]
pub struct Products {
    client: Client,
}

declare!(Products: GET, SET);

impl Products {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Reads the settings.
    pub fn settings(&self) -> GetProductsSettings {
        GetProductsSettings {
            client: self.client.clone(),
        }
    }

    /// Switches products on or off. Needs an administrator's token.
    pub fn set_enabled(&self, is_enabled: bool) -> SetProductsSettings {
        SetProductsSettings {
            client: self.client.clone(),
            is_enabled,
        }
    }
}

/// Whether an account has products.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ProductsSettings {
    /// Whether it has.
    #[serde(default, deserialize_with = "de::flag")]
    pub is_enabled: bool,
    /// Their catalog, if amoCRM tells it.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub catalog_id: Option<CatalogId>,
}

/// Reads whether the account has products.
#[derive(Debug, Clone)]
#[must_use = "nothing is read until it is awaited"]
pub struct GetProductsSettings {
    client: Client,
}

impl GetProductsSettings {
    /// The request.
    pub fn into_request(self) -> Request {
        Request::get(GET, PATH)
    }

    async fn run(self) -> Result<ProductsSettings> {
        let client = self.client.clone();
        client.expect(self.into_request()).await
    }
}

awaited!(GetProductsSettings => ProductsSettings);

/// Switches products on or off.
#[derive(Debug, Clone)]
#[must_use = "nothing is switched until it is awaited"]
pub struct SetProductsSettings {
    client: Client,
    is_enabled: bool,
}

impl SetProductsSettings {
    /// The request.
    ///
    /// # Errors
    ///
    /// None in practice: the setting can always be written.
    pub fn into_request(self) -> Result<Request> {
        #[derive(Serialize)]
        struct Body {
            is_enabled: bool,
        }
        Request::patch(SET, PATH).json(&Body {
            is_enabled: self.is_enabled,
        })
    }

    async fn run(self) -> Result<ProductsSettings> {
        let client = self.client.clone();
        client.expect(self.into_request()?).await
    }
}

awaited!(SetProductsSettings => ProductsSettings);
