//! Elements of the invoices' catalog, read as invoices.

use std::fmt;

use chrono::{DateTime, Utc};

use crate::fields::invoice::{
    COMMENT, ITEMS, InvoiceStatus, LEGAL_ENTITY, PAYER, PAYMENT_DATE, PRICE, REASON_FOR_NO_VAT,
    STATUS, SUPPLIER, VAT_TYPE, VatType,
};
use crate::fields::{
    CustomFieldValues, FieldError, InvoiceItem, LegalEntity, Number, Payer, Supplier,
};

/// What an invoice says: [`CatalogElement::invoice`](super::CatalogElement::invoice).
///
/// An invoice is an element of the catalog of type [`CatalogType::Invoices`](super::CatalogType::Invoices), and what it says
/// are that catalog's predefined fields. To write one, set the fields of [`fields::invoice`](crate::fields::invoice); amoCRM
/// wants at least the status and the payer, and has been seen not to add up the positions, so set the price too.
///
/// ```
/// use amocrm_sdk::catalogs::NewCatalogElement;
/// use amocrm_sdk::fields::{InvoiceItem, Payer, invoice};
///
/// let night = InvoiceItem {
///     description: Some("A night".into()),
///     unit_price: Some(5000.into()),
///     quantity: Some(7.into()),
///     ..InvoiceItem::default()
/// };
/// let invoice = NewCatalogElement::new("Invoice 1")
///     .field(&invoice::STATUS, invoice::InvoiceStatus::Created)
///     .field(&invoice::PAYER, Payer { name: Some("Anna".into()), ..Payer::default() })
///     .field(&invoice::ITEMS, night)
///     .field(&invoice::PRICE, 35_000);
/// # drop(invoice);
/// ```
#[derive(Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Invoice {
    /// How far it is paid.
    pub status: Option<InvoiceStatus>,
    /// Requisites of who issues it.
    pub legal_entity: Vec<LegalEntity>,
    /// Who issues it, in the catalog of suppliers.
    pub supplier: Option<Supplier>,
    /// Who pays.
    pub payer: Option<Payer>,
    /// What for.
    pub items: Vec<InvoiceItem>,
    /// How VAT counts.
    pub vat_type: Option<VatType>,
    /// Why there is no VAT.
    pub reason_for_no_vat: Option<String>,
    /// When it was paid.
    pub payment_date: Option<DateTime<Utc>>,
    /// The comment.
    pub comment: Option<String>,
    /// How much.
    pub price: Option<Number>,
}

impl Invoice {
    pub(super) fn read(held: &CustomFieldValues) -> Result<Self, FieldError> {
        Ok(Self {
            status: held.get(&STATUS)?.map(InvoiceStatus::from),
            // Which kind this field is of is documented nowhere, and it must not cost the rest.
            legal_entity: held.get(&LEGAL_ENTITY).ok().flatten().unwrap_or_default(),
            supplier: held.get(&SUPPLIER)?,
            payer: held.get(&PAYER)?,
            items: held.get(&ITEMS)?.unwrap_or_default(),
            vat_type: held.get(&VAT_TYPE)?.map(VatType::from),
            reason_for_no_vat: held.get(&REASON_FOR_NO_VAT)?,
            payment_date: held.get(&PAYMENT_DATE)?,
            comment: held.get(&COMMENT)?,
            price: held.get(&PRICE)?,
        })
    }
}

/// Shows how far it is paid and how many positions it has: the rest is people's data.
impl fmt::Debug for Invoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invoice")
            .field("status", &self.status)
            .field("items", &self.items.len())
            .finish_non_exhaustive()
    }
}
