//! `#[derive(CustomFields)]`.

use std::collections::HashMap;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Error, Field, Fields, Ident, Result};

use crate::attribute::{Entry, entries};

const OWNERS: &str = "`leads`, `contacts`, `companies`, `customers` or `segments`";

pub(crate) fn derive(input: &DeriveInput) -> Result<TokenStream> {
    let name = &input.ident;
    let Data::Struct(data) = &input.data else {
        let message = "CustomFields maps the fields of a struct; for options of a field derive CustomFieldEnum";
        return Err(Error::new(name.span(), message));
    };
    let Fields::Named(fields) = &data.fields else {
        let message = "CustomFields needs a struct with named fields";
        return Err(Error::new(name.span(), message));
    };
    if !input.generics.params.is_empty() {
        let message =
            "CustomFields does not take type parameters: the fields of an account are known";
        return Err(Error::new(name.span(), message));
    }
    let owner = owner(input)?;
    let mut keys = HashMap::new();
    let mut members = Vec::new();
    let mut types = Vec::new();
    let mut specs = Vec::new();
    for field in &fields.named {
        let Some(member) = &field.ident else { continue };
        let (key, written) = key(member, field)?;
        if let Some(other) = keys.insert(written.clone(), member) {
            let message = format!("{written} is mapped twice: `{other}` has it too");
            return Err(Error::new(member.span(), message));
        }
        let ty = &field.ty;
        let name_of_field = member.unraw();
        let rust = format!("{name_of_field}: {}", plain(&quote!(#ty).to_string()));
        specs.push(quote! { ::amocrm_sdk::schema::FieldSpec::new::<#ty>(#rust, #key) });
        members.push(member);
        types.push(ty);
    }
    let indexes = 0..members.len();
    let writes = 0..members.len();
    Ok(quote! {
        #[automatically_derived]
        impl ::amocrm_sdk::schema::CustomFields for #name {
            const OWNER: ::amocrm_sdk::custom_fields::FieldOwner = #owner;
            const FIELDS: &'static [::amocrm_sdk::schema::FieldSpec] = &[#(#specs),*];

            fn read(
                reader: &::amocrm_sdk::schema::Reader<'_>,
            ) -> ::core::result::Result<Self, ::amocrm_sdk::fields::FieldError> {
                ::core::result::Result::Ok(Self {
                    #(#members: reader.field::<#types>(#indexes)?,)*
                })
            }

            fn write(&self, writer: &mut ::amocrm_sdk::schema::Writer<'_>) {
                #(writer.field::<#types>(#writes, &self.#members);)*
            }
        }
    })
}

/// Whose fields: `#[amo(entity = "leads")]` or `#[amo(catalog = 5)]`.
fn owner(input: &DeriveInput) -> Result<TokenStream> {
    let owner = |variant: &str| {
        let variant = Ident::new(variant, Span::call_site());
        quote! { ::amocrm_sdk::custom_fields::FieldOwner::#variant }
    };
    let entries = entries(&input.attrs)?;
    let [entry] = entries.as_slice() else {
        let message = format!(
            "say once whose fields these are: #[amo(entity = \"…\")] with {OWNERS}, or #[amo(catalog = 123)]"
        );
        return Err(Error::new(input.ident.span(), message));
    };
    if entry.key == "catalog" {
        let id = entry.id()?;
        let catalog = owner("Catalog");
        return Ok(quote! { #catalog(::amocrm_sdk::CatalogId::new(#id)) });
    }
    if entry.key != "entity" {
        return Err(entry.unknown("`entity` or `catalog`"));
    }
    let text = entry.text()?;
    match text.value().as_str() {
        "leads" => Ok(owner("Leads")),
        "contacts" => Ok(owner("Contacts")),
        "companies" => Ok(owner("Companies")),
        "customers" => Ok(owner("Customers")),
        "segments" => Ok(owner("Segments")),
        other => Err(Error::new(
            text.span(),
            format!(
                "`{other}` has no custom fields: expected {OWNERS}; for a list write catalog = 123"
            ),
        )),
    }
}

/// Which field of the account, and the same as it was written.
fn key(member: &Ident, field: &Field) -> Result<(TokenStream, String)> {
    let entries = entries(&field.attrs)?;
    let [entry] = entries.as_slice() else {
        let message = format!(
            "say once which custom field `{member}` is: #[amo(code = \"…\")], #[amo(name = \"…\")] or #[amo(id = 123)]"
        );
        return Err(Error::new(member.span(), message));
    };
    let written = |entry: &Entry| -> Result<String> {
        Ok(format!("{} = \"{}\"", entry.key, entry.text()?.value()))
    };
    match entry.key.to_string().as_str() {
        "code" => {
            let code = entry.text()?;
            Ok((
                quote! { ::amocrm_sdk::schema::FieldName::Code(#code) },
                written(entry)?,
            ))
        }
        "name" => {
            let name = entry.text()?;
            Ok((
                quote! { ::amocrm_sdk::schema::FieldName::Name(#name) },
                written(entry)?,
            ))
        }
        "id" => {
            let id = entry.id()?;
            let key = quote! { ::amocrm_sdk::schema::FieldName::Id(::amocrm_sdk::CustomFieldId::new(#id)) };
            Ok((key, format!("id = {id}")))
        }
        _ => Err(entry.unknown("`code`, `name` or `id`")),
    }
}

/// A type as people write it: tokens are printed with spaces between them.
fn plain(tokens: &str) -> String {
    tokens
        .replace(" :: ", "::")
        .replace(" <", "<")
        .replace("< ", "<")
        .replace(" >", ">")
        .replace(" ,", ",")
}
