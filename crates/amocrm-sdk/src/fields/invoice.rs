//! Fields of the invoices' catalog.
//!
//! Source: <https://www.amocrm.ru/developers/content/crm_platform/invoices>.

use super::kind::{DateTime, Items, Numeric, Payer, Select, Supplier, Text, Textarea};
use super::{Choice, Field, kind};
use crate::de::open_enum;

/// How far an invoice is paid: an [`InvoiceStatus`].
pub const STATUS: Field<Select> = Field::code("BILL_STATUS");
/// Requisites of who issues it.
pub const LEGAL_ENTITY: Field<kind::LegalEntity> = Field::code("LEGAL_ENTITY");
/// Who issues it, in the catalog of suppliers.
pub const SUPPLIER: Field<Supplier> = Field::code("SUPPLIER");
/// Who pays.
pub const PAYER: Field<Payer> = Field::code("PAYER");
/// What for.
pub const ITEMS: Field<Items> = Field::code("ITEMS");
/// How VAT counts: a [`VatType`].
pub const VAT_TYPE: Field<Select> = Field::code("BILL_VAT_TYPE");
/// Why there is no VAT.
pub const REASON_FOR_NO_VAT: Field<Text> = Field::code("BILL_REASON_FOR_NO_VAT");
/// When it was paid.
pub const PAYMENT_DATE: Field<DateTime> = Field::code("BILL_PAYMENT_DATE");
/// A comment.
pub const COMMENT: Field<Textarea> = Field::code("BILL_COMMENT");
/// How much. amoCRM has been seen not to add up the positions by itself.
pub const PRICE: Field<Numeric> = Field::code("BILL_PRICE");

open_enum! {
    /// How far an invoice is paid.
    pub enum InvoiceStatus {
        /// Not at all.
        Created = "created",
        /// All of it.
        Paid = "paid",
        /// Before the goods are delivered.
        PaidInAdvance = "paid_in_advance",
        /// A part of it.
        PartiallyPaid = "partially_paid",
    }
}

open_enum! {
    /// How VAT counts.
    pub enum VatType {
        /// There is none.
        Exempt = "vat_exempt",
        /// Prices include it.
        Included = "vat_included",
        /// It is added to prices.
        NotIncluded = "vat_not_included",
    }
}

/// The words are codes of options, which are the same in every account; texts are not.
macro_rules! choices {
    ($($word:ty),+) => {
        $(
            impl From<$word> for Choice {
                fn from(word: $word) -> Self {
                    Self::by_code(word.as_str())
                }
            }

            impl From<Choice> for $word {
                fn from(choice: Choice) -> Self {
                    choice.enum_code.or(choice.text).unwrap_or_default().into()
                }
            }
        )+
    };
}

choices!(InvoiceStatus, VatType);
