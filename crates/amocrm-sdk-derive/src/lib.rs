//! Derive macros of `amocrm-sdk`. Use them through its feature `derive`: `amocrm_sdk::schema`, where they are explained.

use proc_macro::TokenStream;
use syn::{DeriveInput, Error, parse_macro_input};

mod attribute;
mod fields;
mod options;

/// Maps a struct to custom fields of an entity: see `amocrm_sdk::schema`.
#[proc_macro_derive(CustomFields, attributes(amo))]
pub fn derive_custom_fields(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    fields::derive(&input)
        .unwrap_or_else(Error::into_compile_error)
        .into()
}

/// Maps an enum to the options of a select, radiobutton or multiselect field: see `amocrm_sdk::schema`.
#[proc_macro_derive(CustomFieldEnum, attributes(amo))]
pub fn derive_custom_field_enum(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    options::derive(&input)
        .unwrap_or_else(Error::into_compile_error)
        .into()
}
