//! The objects themselves.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{ObjectValue, Writable};
use crate::de;
use crate::fields::Number;
use crate::fields::kind::Expected;

/// Declares an object: every part optional, text tolerant of numbers, the rest in `extra`.
macro_rules! object {
    (
        $(#[$meta:meta])*
        pub struct $name:ident expected $expected:literal, writable $writable:expr;
        text { $($(#[$text_doc:meta])* $text:ident),* $(,)? }
        other { $($(#[$doc:meta])* $field:ident: $ty:ty),* $(,)? }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct $name {
            $(
                $(#[$text_doc])*
                #[serde(deserialize_with = "de::opt_text")]
                pub $text: Option<String>,
            )*
            $(
                $(#[$doc])*
                pub $field: $ty,
            )*
            /// Keys the SDK has no name for.
            #[serde(flatten)]
            pub extra: Map<String, Value>,
        }

        impl ObjectValue for $name {
            const EXPECTED: Expected = Expected($expected);
            const WRITABLE: Writable = $writable;
        }

        // Requisites hold phones, e-mails and bank accounts, so none of the objects shows its inside.
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}

object! {
    /// Requisites of a company or an entrepreneur.
    ///
    /// amoCRM takes the keys of the account's own country only; empty parts are not sent.
    pub struct LegalEntity expected "an object with a legal entity's requisites", writable Writable::AllBut(&[]);
    text {
        /// Name. Required by amoCRM.
        name,
        /// INN.
        vat_id,
        /// OGRN.
        tax_registration_reason_code,
        /// Legal address.
        address,
        /// Actual address.
        real_address,
        /// KPP.
        kpp,
        /// BIK of the bank.
        bank_code,
        /// Account in the bank.
        bank_account_number,
        /// Head of the company.
        director,
        /// Id in another system.
        external_uid,
        /// UNP, Belarus.
        unp,
        /// BIN, Kazakhstan.
        bin,
        /// EGRPOU, Ukraine.
        egrpou,
        /// MFO, Ukraine and Uzbekistan.
        mfo,
        /// OKED, Uzbekistan.
        oked,
    }
    other {
        /// [`ENTREPRENEUR`](Self::ENTREPRENEUR) or [`COMPANY`](Self::COMPANY).
        #[serde(deserialize_with = "de::opt_number")]
        entity_type: Option<i32>,
    }
}

impl LegalEntity {
    /// `entity_type` of a private entrepreneur.
    pub const ENTREPRENEUR: i32 = 1;
    /// `entity_type` of a company.
    pub const COMPANY: i32 = 2;
}

object! {
    /// A position of an invoice.
    pub struct InvoiceItem
        expected "an object with an invoice's position",
        writable Writable::AllBut(&["is_discount_recalculated", "is_total_sum_recalculated", "total_sum"]);
    text {
        /// Article.
        sku,
        /// Name or description.
        description,
        /// Unit of measure.
        unit_type,
        /// Id in another system.
        external_uid,
    }
    other {
        /// Price of one.
        unit_price: Option<Number>,
        /// How many.
        quantity: Option<Number>,
        /// Discount.
        discount: Option<Discount>,
        /// Id of the VAT rate.
        #[serde(deserialize_with = "de::opt_number")]
        vat_rate_id: Option<u64>,
        /// VAT rate, percent.
        vat_rate_value: Option<Number>,
        /// Element of the catalog of goods.
        #[serde(deserialize_with = "de::opt_id")]
        product_id: Option<crate::CatalogElementId>,
        /// Bonus points for the purchase.
        bonus_points_per_purchase: Option<Number>,
        /// Anything of the integration's own.
        metadata: Option<Value>,
        /// The sum as amoCRM has computed it; read only.
        total_sum: Option<Number>,
    }
}

/// Discount of an invoice's position.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Discount {
    /// `percentage` or `amount`.
    #[serde(rename = "type")]
    pub kind: String,
    /// How much.
    pub value: Number,
}

object! {
    /// Payer of an invoice.
    pub struct Payer expected "an object with a payer", writable Writable::AllBut(&[]);
    text {
        /// Name.
        name,
        /// INN.
        vat_id,
        /// KPP.
        kpp,
        /// OGRN.
        tax_registration_reason_code,
        /// Legal address.
        address,
        /// Actual address.
        real_address,
        /// `contacts` or `companies`.
        entity_type,
        /// BIK of the bank.
        bank_code,
        /// Account in the bank.
        bank_account_number,
        /// UNP, Belarus.
        unp,
        /// BIN, Kazakhstan.
        bin,
        /// EGRPOU, Ukraine.
        egrpou,
        /// MFO, Ukraine and Uzbekistan.
        mfo,
        /// OKED, Uzbekistan.
        oked,
        /// Head of the company.
        director,
        /// Phone.
        phone,
        /// E-mail.
        email,
    }
    other {
        /// The contact or company who pays.
        #[serde(deserialize_with = "de::opt_number")]
        entity_id: Option<u64>,
        /// `legal` or `individual`.
        #[serde(rename = "type", deserialize_with = "de::opt_text")]
        kind: Option<String>,
    }
}

object! {
    /// Supplier of an invoice. Only `entity_id` is written; the rest is amoCRM's copy of the supplier's card.
    pub struct Supplier expected "an object with a supplier's entity_id", writable Writable::Only(&["entity_id"]);
    text {
        /// Name.
        name,
        /// INN.
        vat_id,
        /// KPP.
        kpp,
        /// OGRN.
        tax_registration_reason_code,
        /// BIK of the bank.
        bank_code,
        /// Legal address.
        address,
        /// Account in the bank.
        bank_account_number,
    }
    other {
        /// Element of the catalog of suppliers.
        #[serde(deserialize_with = "de::opt_id")]
        entity_id: Option<crate::CatalogElementId>,
    }
}

object! {
    /// A link to a contact, a company or an element of a catalog.
    pub struct LinkedEntityValue expected "an object with entity_id and entity_type", writable Writable::AllBut(&[]);
    text {
        /// Name, for people; the id and the type decide.
        name,
        /// `contacts`, `companies` or `catalog_elements`.
        entity_type,
    }
    other {
        /// What is linked.
        #[serde(deserialize_with = "de::opt_number")]
        entity_id: Option<u64>,
        /// Its catalog, if it is in one.
        #[serde(deserialize_with = "de::opt_id")]
        catalog_id: Option<crate::CatalogId>,
    }
}

object! {
    /// A file of the Drive. It is uploaded there before it is put into a field.
    pub struct FileRef expected "an object with file_uuid", writable Writable::AllBut(&["is_deleted"]);
    text {
        /// The file.
        file_uuid,
        /// Its version; the latest if none is given.
        version_uuid,
        /// Name.
        file_name,
    }
    other {
        /// Size in bytes.
        #[serde(deserialize_with = "de::opt_number")]
        file_size: Option<u64>,
        /// The file is gone from the Drive; read only.
        #[serde(deserialize_with = "de::opt_flag")]
        is_deleted: Option<bool>,
    }
}
