//! Elements of a catalog.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/catalogs-api>.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::Invoice;
use crate::de;
use crate::entity::{HasId, Never, filter, input, resource, words};
use crate::fields::{CustomFieldValues, FieldChanges, FieldError};
use crate::id::{AccountId, CatalogElementId, CatalogId, CustomFieldId, UserId, kind};

resource! {
    /// Elements of one catalog: [`Client::catalog_elements`](crate::Client::catalog_elements).
    pub struct CatalogElements of CatalogElement: kind::CatalogElement, "catalog_elements", key = "elements";
    /// Reads elements. amoCRM has been seen to give 100 a page, whatever is asked for, and no link to the next one.
    list(with = CatalogElementWith, filter = CatalogElementFilter, order = Never, full = 50);
    /// Reads one element.
    get(CatalogElementId);
    /// Adds elements. amoCRM has no way to remove one.
    create(NewCatalogElement => CatalogElement);
    /// Changes an element.
    update(CatalogElementId, CatalogElementPatch => CatalogElement);
    /// Changes many elements.
    update_many(CatalogElementPatch);
}

/// An element as amoCRM tells it. `Debug` shows ids and times only.
#[derive(Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct CatalogElement {
    /// Its id.
    pub id: CatalogElementId,
    /// Its name.
    #[serde(default, deserialize_with = "de::text")]
    pub name: String,
    /// Its catalog.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub catalog_id: Option<CatalogId>,
    /// Its custom fields.
    #[serde(default, deserialize_with = "de::or_default")]
    pub custom_fields_values: CustomFieldValues,
    /// Whether it was removed. Reads say nothing where writes say "no".
    #[serde(default, deserialize_with = "de::flag")]
    pub is_deleted: bool,
    /// The page of an invoice that may be shown to its payer, with [`CatalogElementWith::InvoiceLink`].
    #[serde(default, deserialize_with = "de::opt_text")]
    pub invoice_link: Option<String>,
    /// What is known of an invoice's supplier, with [`CatalogElementWith::SupplierFieldValues`]: the shape is documented
    /// nowhere.
    #[serde(default)]
    pub supplier_field_values: Value,
    /// Its currency, where it is linked.
    #[serde(default, deserialize_with = "de::opt_number")]
    pub currency_id: Option<u64>,
    /// The price field that counts, where it is linked.
    #[serde(default, deserialize_with = "de::opt_id")]
    pub price_id: Option<CustomFieldId>,
    /// How many, where it is linked.
    #[serde(default, deserialize_with = "de::opt_number")]
    pub quantity: Option<f64>,
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
    /// What amoCRM has to say of it.
    #[serde(rename = "_embedded", default, deserialize_with = "de::object")]
    pub embedded: CatalogElementEmbedded,
}

impl CatalogElement {
    /// Reads it as an invoice.
    ///
    /// # Errors
    ///
    /// A field of an invoice holds something else than invoices do; [`custom_fields_values`](Self::custom_fields_values) still
    /// has it.
    pub fn invoice(&self) -> Result<Invoice, FieldError> {
        Invoice::read(&self.custom_fields_values)
    }
}

impl AsRef<crate::fields::CustomFieldValues> for CatalogElement {
    fn as_ref(&self) -> &crate::fields::CustomFieldValues {
        &self.custom_fields_values
    }
}

impl HasId for CatalogElement {
    fn raw_id(&self) -> u64 {
        self.id.get()
    }
}

impl fmt::Debug for CatalogElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CatalogElement")
            .field("id", &self.id)
            .field("catalog_id", &self.catalog_id)
            .field("created_at", &self.created_at)
            .field("updated_at", &self.updated_at)
            .field("custom_fields_values", &self.custom_fields_values)
            .finish_non_exhaustive()
    }
}

/// What is embedded in an element.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct CatalogElementEmbedded {
    /// That amoCRM has computed an invoice anew.
    #[serde(deserialize_with = "de::object")]
    pub warning: ElementWarning,
}

/// A warning about an element.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct ElementWarning {
    /// Its text, if there is something to warn of.
    #[serde(deserialize_with = "de::opt_text")]
    pub message: Option<String>,
}

words! {
    /// What a list or a read of elements adds on request.
    pub enum CatalogElementWith {
        /// The page of an invoice: [`CatalogElement::invoice_link`].
        InvoiceLink = "invoice_link",
        /// What is known of its supplier: [`CatalogElement::supplier_field_values`].
        SupplierFieldValues = "supplier_field_values",
    }
}

filter! {
    /// Which elements a list keeps. amoCRM does not filter them by custom fields; use
    /// [`List::search`](crate::entity::List::search).
    pub struct CatalogElementFilter {}
}

impl CatalogElementFilter {
    /// These elements. The documentation and the vendor's own client name the parameter differently, so it goes under both
    /// names.
    pub fn ids(mut self, alternatives: impl IntoIterator<Item = CatalogElementId>) -> Self {
        let ids: Vec<CatalogElementId> = alternatives.into_iter().collect();
        self.0.any("id", &ids);
        self.0.plain_any("id", &ids);
        self
    }
}

input! {
    /// An element to be added.
    pub struct NewCatalogElement(name: impl Into<String>);
    /// Changes to an element: only what is set travels.
    pub struct CatalogElementPatch(CatalogElementId) of CatalogElement;
    fields CatalogElementFields;
    both {
        /// Sets the name.
        text name "name";
        part custom_fields "custom_fields_values": FieldChanges;
    }
    new {}
    patch {}
    also {
        crate::entity::input_custom_fields!();
    }
}
