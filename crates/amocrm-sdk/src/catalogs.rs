//! Catalogs ("lists" in the interface) and what is in them: elements, products, invoices, suppliers.
//!
//! An account has at most ten. Definitions of their custom fields: [`FieldOwner::Catalog`](crate::custom_fields::FieldOwner).
//! Elements are put on a lead with a quantity by linking them: [`NewLink::element`](crate::links::NewLink::element).
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/catalogs-api>.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::client::Client;
use crate::de;
use crate::de::open_enum;
use crate::entity::{HasId, Never, filter, input, resource};
use crate::id::{AccountId, CatalogId, UserId, kind};

mod elements;
mod invoices;
mod products;

pub use self::elements::{
    CatalogElement, CatalogElementEmbedded, CatalogElementFilter, CatalogElementPatch,
    CatalogElementWith, CatalogElements, ElementWarning, NewCatalogElement,
};
pub use self::invoices::Invoice;
pub use self::products::{GetProductsSettings, Products, ProductsSettings, SetProductsSettings};

const PATH: &str = "/api/v4/catalogs";

resource! {
    /// Catalogs of the account: [`Client::catalogs`].
    pub struct Catalogs of Catalog: kind::Catalog, "catalogs";
    /// Reads catalogs.
    list(with = Never, filter = CatalogFilter, order = Never);
    /// Reads one catalog.
    get(CatalogId);
    /// Adds catalogs. amoCRM has no way to remove one.
    create(NewCatalog => Catalog);
    /// Changes a catalog.
    update(CatalogId, CatalogPatch => Catalog);
    /// Changes many catalogs.
    update_many(CatalogPatch);
}

impl Client {
    /// Catalogs ("lists" in the interface).
    pub fn catalogs(&self) -> Catalogs {
        Catalogs::at(self, PATH)
    }

    /// Elements of a catalog: products, invoices, suppliers, or whatever the account keeps there.
    pub fn catalog_elements(&self, catalog: CatalogId) -> CatalogElements {
        CatalogElements::at(self, format!("{PATH}/{catalog}/elements"))
    }

    /// Whether the account has products.
    pub fn products(&self) -> Products {
        Products::new(self.clone())
    }
}

open_enum! {
    /// What a catalog is for.
    pub enum CatalogType {
        /// Anything.
        Regular = "regular",
        /// Invoices: the fields of [`fields::invoice`](crate::fields::invoice). At most one.
        Invoices = "invoices",
        /// Products: the fields of [`fields::product`](crate::fields::product). At most one.
        Products = "products",
        /// The account's own legal entities, who issue invoices: the fields of
        /// [`fields::supplier`](crate::fields::supplier). amoCRM documents it only in its own client.
        Suppliers = "suppliers",
    }
}

/// A catalog as amoCRM tells it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "the vendor's own shape")]
pub struct Catalog {
    /// Its id.
    pub id: CatalogId,
    /// Its name.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
    /// What it is for.
    #[serde(rename = "type", default)]
    pub catalog_type: Option<CatalogType>,
    /// Its place.
    #[serde(default, deserialize_with = "de::opt_number")]
    pub sort: Option<i64>,
    /// Whether users may add elements.
    #[serde(default, deserialize_with = "de::flag")]
    pub can_add_elements: bool,
    /// Whether cards of leads and customers have a tab for it.
    #[serde(default, deserialize_with = "de::flag")]
    pub can_show_in_cards: bool,
    /// Whether an element may be linked to several cards.
    #[serde(default, deserialize_with = "de::flag")]
    pub can_link_multiple: bool,
    /// Whether users may remove it.
    #[serde(default, deserialize_with = "de::flag")]
    pub can_be_deleted: bool,
    /// The code of the widget that owns it.
    #[serde(default, deserialize_with = "de::opt_text")]
    pub sdk_widget_code: Option<String>,
    /// Who created it; `0` is a robot.
    #[serde(default, deserialize_with = "de::id_or_zero")]
    pub created_by: Option<UserId>,
    /// Who changed it last; `0` is a robot.
    #[serde(default, deserialize_with = "de::id_or_zero")]
    pub updated_by: Option<UserId>,
    /// When it was created.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub created_at: Option<DateTime<Utc>>,
    /// When it was changed last.
    #[serde(default, deserialize_with = "de::opt_time::deserialize")]
    pub updated_at: Option<DateTime<Utc>>,
    /// Its account.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub account_id: Option<AccountId>,
}

impl HasId for Catalog {
    fn raw_id(&self) -> u64 {
        self.id.get()
    }
}

filter! {
    /// Which catalogs a list keeps.
    pub struct CatalogFilter {
        /// Of this type. amoCRM documents it only in its own client.
        plain of_type "type": CatalogType,
    }
}

input! {
    /// A catalog to be added.
    pub struct NewCatalog(name: impl Into<String>);
    /// Changes to a catalog: only what is set travels.
    pub struct CatalogPatch(CatalogId) of Catalog;
    fields CatalogFields;
    both {
        /// Sets the name. The documentation asks for it with every change.
        text name "name";
        /// Whether users may add elements.
        set can_add_elements "can_add_elements": bool;
        /// Whether cards of leads and customers have a tab for it. amoCRM documents it only in its own client.
        set can_show_in_cards "can_show_in_cards": bool;
        /// Whether an element may be linked to several cards.
        set can_link_multiple "can_link_multiple": bool;
    }
    new {
        /// Sets what it is for; [`CatalogType::Regular`] without it.
        set catalog_type "type": CatalogType;
        /// Sets its place.
        set sort "sort": i64;
    }
    patch {}
}
