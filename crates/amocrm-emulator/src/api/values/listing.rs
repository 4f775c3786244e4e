//! Values that only lists have: positions, payer and supplier of invoices, and elements that point elsewhere.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::{
    api::reader::Reader,
    problem::Violations,
    world::{Account, CatalogType, EntityType, FieldDefinition, FieldOwner, FieldValue, Record},
};

const ITEM_KEYS: [&str; 12] = [
    "sku",
    "product_id",
    "description",
    "unit_price",
    "quantity",
    "unit_type",
    "discount",
    "vat_rate_id",
    "vat_rate_value",
    "external_uid",
    "bonus_points_per_purchase",
    "metadata",
];

const PAYER_TEXTS: [&str; 17] = [
    "name",
    "vat_id",
    "kpp",
    "tax_registration_reason_code",
    "address",
    "real_address",
    "bank_code",
    "bank_account_number",
    "unp",
    "bin",
    "egrpou",
    "mfo",
    "oked",
    "director",
    "phone",
    "email",
    "type",
];

/// What a supplier shows in an invoice, and the fields of its element that hold it.
const SUPPLIER_PARTS: [(&str, &str); 6] = [
    ("vat_id", "SUPPLIER_VAT_ID"),
    ("kpp", "SUPPLIER_TAX_REGISTRATION_REASON_CODE"),
    (
        "tax_registration_reason_code",
        "SUPPLIER_PRIMARY_STATE_REGISTRATION_NUMBER",
    ),
    ("bank_code", "SUPPLIER_BANK_IDENTIFICATION_CODE"),
    ("address", "SUPPLIER_LEGAL_ADDRESS"),
    ("bank_account_number", "SUPPLIER_ACCOUNT_NUMBER"),
];

/// A position of an invoice. What is computed on reading is refused here.
pub(super) fn read_position(item: &Reader<'_>, out: &mut Violations) -> Option<Value> {
    let value = item.child("value", out)?;
    value.only(&ITEM_KEYS, out);
    for key in ["sku", "description", "unit_type", "external_uid"] {
        value.string(key, out);
    }
    for key in [
        "unit_price",
        "quantity",
        "vat_rate_value",
        "bonus_points_per_purchase",
    ] {
        number(&value, key, out);
    }
    value.id("product_id", out);
    value.int("vat_rate_id", out);
    if let Some(discount) = value.child("discount", out) {
        discount.only(&["type", "value"], out);
        discount.require("type", out);
        discount.choice("type", &["percentage", "amount"], out);
        discount.require("value", out);
        number(&discount, "value", out);
    }
    item.value("value").cloned()
}

fn number(item: &Reader<'_>, key: &str, out: &mut Violations) {
    if item
        .value(key)
        .is_some_and(|value| as_float(value).is_none())
    {
        out.kind(item.path(key), "numeric");
    }
}

fn as_float(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

/// What a position costs: price by quantity, less the discount.
pub(crate) fn total_sum(position: &Value) -> f64 {
    let number = |value: &Value| as_float(value).unwrap_or_default();
    let sum = number(&position["unit_price"]) * as_float(&position["quantity"]).unwrap_or(1.0);
    let discount = number(&position["discount"]["value"]);
    match position["discount"]["type"].as_str() {
        Some("percentage") => sum - sum * discount / 100.0,
        Some("amount") => sum - discount,
        _ => sum,
    }
}

/// A position as it is read, with what amoCRM computes.
pub(super) fn render_position(value: &Value) -> Value {
    let mut position = value.clone();
    let total = total_sum(value);
    if let Some(map) = position.as_object_mut() {
        for (key, otherwise) in [
            ("vat_rate_value", json!(0)),
            ("bonus_points_per_purchase", json!(0)),
            ("metadata", json!([])),
        ] {
            map.entry(key).or_insert(otherwise);
        }
        map.insert("is_discount_recalculated".into(), false.into());
        map.insert("is_total_sum_recalculated".into(), false.into());
        map.insert("total_sum".into(), json!(total));
    }
    position
}

/// A card or element another element points to; what the field searches in decides what it may be.
pub(super) fn read_linked(
    account: &Account,
    field: &FieldDefinition,
    item: &Reader<'_>,
    out: &mut Violations,
) -> Option<Value> {
    let value = item.child("value", out)?;
    value.only(&["name", "entity_id", "entity_type", "catalog_id"], out);
    value.string("name", out);
    let id = value.required_id("entity_id", out);
    value.require("entity_type", out);
    let kinds = ["contacts", "companies", "catalog_elements"];
    let kind = value.choice("entity_type", &kinds, out)?;
    let place = field.search_in.as_deref();
    let catalog = place
        .and_then(|place| place.parse().ok())
        .or(value.id("catalog_id", out));
    let fits = match kind {
        "catalog_elements" => place.is_none_or(|place| place.parse::<u64>().is_ok()),
        _ => place.is_none_or(|place| place == kind || place == "contacts_and_companies"),
    };
    if !fits {
        out.choice(value.path("entity_type"));
        return None;
    }
    let catalog = catalog.filter(|_| kind == "catalog_elements");
    if find(account, kind, catalog, id?).is_none() {
        out.choice(value.path("entity_id"));
    }
    Some(json!({"entity_id": id, "entity_type": kind, "catalog_id": catalog}))
}

fn find<'a>(account: &'a Account, kind: &str, catalog: Option<u64>, id: u64) -> Option<&'a Record> {
    match EntityType::parse(kind) {
        Some(entity) => account.records(entity).live(id),
        None => account.catalogs.elements(catalog?)?.live(id),
    }
}

/// A link as it is read: with the name of what it points to.
pub(super) fn render_linked(account: &Account, value: &Value) -> Value {
    let mut value = value.clone();
    let kind = value["entity_type"].as_str().unwrap_or_default();
    let id = value["entity_id"].as_u64().unwrap_or_default();
    let target = find(account, kind, value["catalog_id"].as_u64(), id);
    value["name"] = target.map(|record| record.name.as_str()).into();
    value
}

/// A payer: free text, or a card of the account.
pub(super) fn read_payer(
    account: &Account,
    item: &Reader<'_>,
    out: &mut Violations,
) -> Option<Value> {
    let value = item.child("value", out)?;
    let allowed: Vec<&str> = PAYER_TEXTS
        .into_iter()
        .chain(["entity_type", "entity_id"])
        .collect();
    value.only(&allowed, out);
    for key in PAYER_TEXTS {
        value.string(key, out);
    }
    value.choice("type", &["legal", "individual"], out);
    let kind = value.choice("entity_type", &["contacts", "companies"], out);
    let id = value.id("entity_id", out);
    match (kind, id) {
        (Some(kind), Some(id)) if find(account, kind, None, id).is_none() => {
            out.choice(value.path("entity_id"));
        }
        (Some(_), None) => out.missing(value.path("entity_id")),
        (None, Some(_)) => out.missing(value.path("entity_type")),
        (None, None) => value.require("name", out),
        _ => {}
    }
    item.value("value").cloned()
}

/// A payer as it is read: a card is named.
pub(super) fn render_payer(account: &Account, value: &Value) -> Value {
    if value["entity_id"].is_u64() && value["name"].is_null() {
        return render_linked(account, value);
    }
    value.clone()
}

/// A supplier: an element of that list.
pub(super) fn read_supplier(
    account: &Account,
    item: &Reader<'_>,
    out: &mut Violations,
) -> Option<Value> {
    let value = item.child("value", out)?;
    let mut allowed = vec!["entity_id", "name"];
    allowed.extend(SUPPLIER_PARTS.iter().map(|(key, _)| *key));
    value.only(&allowed, out);
    let id = value.required_id("entity_id", out)?;
    if supplier(account, id).is_none() {
        out.choice(value.path("entity_id"));
    }
    Some(json!({"entity_id": id}))
}

fn supplier(account: &Account, id: u64) -> Option<(FieldOwner, &Record)> {
    let catalog = account.catalogs.of_kind(CatalogType::Suppliers)?;
    let record = catalog.elements.live(id)?;
    Some((FieldOwner::Catalog(catalog.id), record))
}

/// A supplier as it is read: with what its element says.
pub(super) fn render_supplier(account: &Account, value: &Value) -> Value {
    let mut shown = Map::new();
    shown.insert("entity_id".into(), value["entity_id"].clone());
    let id = value["entity_id"].as_u64().unwrap_or_default();
    let Some((owner, record)) = supplier(account, id) else {
        return Value::Object(shown);
    };
    shown.insert("name".into(), record.name.as_str().into());
    for (key, code) in SUPPLIER_PARTS {
        let field = account.field_by_code(owner, code);
        let values = field.and_then(|field| record.values.get(&field.id));
        let text = values.and_then(|values| values.first()).map(|it| &it.value);
        shown.insert(key.into(), text.cloned().unwrap_or_else(|| "".into()));
    }
    Value::Object(shown)
}

/// The fields of the supplier an invoice names. Their place is known, not their shape: this is that of any values.
pub(crate) fn supplier_fields(account: &Account, values: &BTreeMap<u64, Vec<FieldValue>>) -> Value {
    let mut ids = values
        .values()
        .flatten()
        .filter_map(|it| it.value["entity_id"].as_u64());
    let found = ids.find_map(|id| supplier(account, id));
    found.map_or(Value::Null, |(owner, record)| {
        super::render(account, owner, &record.values)
    })
}
