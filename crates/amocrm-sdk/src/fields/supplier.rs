//! Fields of the suppliers' catalog: the account's own legal entities, who issue invoices.
//!
//! amoCRM documents them only in its own client.

use super::Field;
use super::kind::Text;

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident = $code:literal),+ $(,)?) => {
        $(
            $(#[$doc])*
            pub const $name: Field<Text> = Field::code($code);
        )+
    };
}

fields! {
    /// INN.
    VAT_ID = "SUPPLIER_VAT_ID",
    /// KPP.
    TAX_REGISTRATION_REASON_CODE = "SUPPLIER_TAX_REGISTRATION_REASON_CODE",
    /// OGRN.
    PRIMARY_STATE_REGISTRATION_NUMBER = "SUPPLIER_PRIMARY_STATE_REGISTRATION_NUMBER",
    /// BIK of the bank.
    BANK_IDENTIFICATION_CODE = "SUPPLIER_BANK_IDENTIFICATION_CODE",
    /// Account in the bank.
    ACCOUNT_NUMBER = "SUPPLIER_ACCOUNT_NUMBER",
    /// Legal address.
    LEGAL_ADDRESS = "SUPPLIER_LEGAL_ADDRESS",
    /// Actual address.
    REAL_ADDRESS = "SUPPLIER_REAL_ADDRESS",
    /// Name of the head.
    DIRECTOR_NAME = "SUPPLIER_DIRECTOR_NAME",
    /// Post of the head.
    DIRECTOR_POST = "SUPPLIER_DIRECTOR_POST",
    /// Name of the accountant.
    ACCOUNTANT_NAME = "SUPPLIER_ACCOUNTANT_NAME",
    /// Post of the accountant.
    ACCOUNTANT_POST = "SUPPLIER_ACCOUNTANT_POST",
    /// Phone.
    PHONE = "SUPPLIER_PHONE",
}
