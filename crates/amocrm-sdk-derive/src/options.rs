//! `#[derive(CustomFieldEnum)]`.

use std::collections::HashMap;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, Ident, Result, Variant};

use crate::attribute::{Value, entries};

/// What a variant stands for.
enum Meaning {
    /// The option of this text.
    Option(String),
    /// Any other option: its text is kept.
    Other,
}

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let name = &input.ident;
    let Data::Enum(data) = &input.data else {
        let message = "CustomFieldEnum maps the variants of an enum to options; for a struct derive CustomFields";
        return Err(Error::new(name.span(), message));
    };
    let mut texts: Vec<String> = Vec::new();
    let mut variants: Vec<&Ident> = Vec::new();
    let mut other: Option<&Ident> = None;
    let mut seen = HashMap::new();
    for variant in &data.variants {
        match meaning(variant)? {
            Meaning::Option(text) => {
                if let Some(twin) = seen.insert(text.clone(), &variant.ident) {
                    let message =
                        format!("the option \"{text}\" is mapped twice: `{twin}` has it too");
                    return Err(Error::new(variant.ident.span(), message));
                }
                texts.push(text);
                variants.push(&variant.ident);
            }
            Meaning::Other if other.is_none() => other = Some(&variant.ident),
            Meaning::Other => {
                let message = "only one variant can keep the other options";
                return Err(Error::new(variant.ident.span(), message));
            }
        }
    }
    if variants.is_empty() {
        let message = "CustomFieldEnum needs variants with #[amo(value = \"…\")], one per option";
        return Err(Error::new(name.span(), message));
    }
    let indexes = 0..variants.len();
    let places = 0..variants.len();
    let kept = other.map(|other| {
        quote! { Self::#other(text) => ::amocrm_sdk::schema::OptionRef::Text(text), }
    });
    let keep = if let Some(other) = other {
        quote! { ::core::option::Option::Some(Self::#other(text)) }
    } else {
        quote! {{ ::core::mem::drop(text); ::core::option::Option::None }}
    };
    Ok(quote! {
        #[automatically_derived]
        impl ::amocrm_sdk::schema::CustomFieldEnum for #name {
            const OPTIONS: &'static [&'static str] = &[#(#texts),*];

            fn option(&self) -> ::amocrm_sdk::schema::OptionRef<'_> {
                match self {
                    #(Self::#variants => ::amocrm_sdk::schema::OptionRef::Index(#indexes),)*
                    #kept
                }
            }

            fn from_option(index: usize) -> ::core::option::Option<Self> {
                match index {
                    #(#places => ::core::option::Option::Some(Self::#variants),)*
                    _ => ::core::option::Option::None,
                }
            }

            fn from_other(text: ::std::string::String) -> ::core::option::Option<Self> {
                #keep
            }
        }

        ::amocrm_sdk::schema::enum_value!(#name);
    })
}

fn meaning(variant: &Variant) -> Result<Meaning> {
    let name = &variant.ident;
    let entries = entries(&variant.attrs)?;
    let [entry] = entries.as_slice() else {
        let message =
            format!("say once which option `{name}` is: #[amo(value = \"…\")], or #[amo(other)]");
        return Err(Error::new(name.span(), message));
    };
    match (entry.key.to_string().as_str(), &variant.fields) {
        ("value", Fields::Unit) => Ok(Meaning::Option(entry.text()?.value())),
        ("value", _) => Err(Error::new(
            name.span(),
            format!("an option holds nothing: write `{name}` without fields"),
        )),
        ("other", Fields::Unnamed(fields))
            if fields.unnamed.len() == 1 && matches!(entry.value, Value::Flag) =>
        {
            Ok(Meaning::Other)
        }
        ("other", _) => Err(Error::new(
            name.span(),
            format!("the variant that keeps other options holds their text: {name}(String)"),
        )),
        _ => Err(entry.unknown("`value` or `other`")),
    }
}
