//! What webhooks say of customers and of elements of lists.

use super::{Change, Fields, WorldEvent, put_custom_fields};
use crate::world::{Account, EntityType, FieldOwner, Record};

impl WorldEvent {
    /// The event of a change to an element of a list. The vendor documents the bodies and no codes to subscribe to; these are
    /// the emulator's.
    pub(crate) fn element(
        account: &Account,
        catalog_id: u64,
        record: &Record,
        change: Change,
    ) -> Self {
        let (code, action) = match change {
            Change::Added => ("add_catalog_element", "add"),
            Change::Deleted => ("delete_catalog_element", "delete"),
            _ => ("update_catalog_element", "update"),
        };
        Self {
            account_id: account.id,
            code,
            entity: "catalogs",
            action,
            fields: element_fields(account, catalog_id, record, change),
        }
    }
}

/// The keys seen in deliveries; the vendor's own list is not known.
pub(super) fn customer_fields(
    account: &Account,
    record: &Record,
    change: Change,
) -> Vec<(String, String)> {
    let mut fields = Fields::default();
    fields.put("id", record.id);
    if change == Change::Deleted {
        return fields.0;
    }
    let customer = record.customer.clone().unwrap_or_default();
    fields.put("name", &record.name);
    fields.put("next_price", customer.next_price);
    if let Some(status) = customer.status_id {
        fields.put("status_id", status);
    }
    fields.put("responsible_user_id", record.responsible_user_id);
    fields.put("created_at", record.created_at);
    fields.put("updated_at", record.updated_at);
    put_custom_fields(&mut fields, account, EntityType::Customers, record);
    if let Change::Handed { old_user_id } = change {
        fields.put("old_responsible_user_id", old_user_id);
    }
    fields.0
}

fn element_fields(
    account: &Account,
    catalog_id: u64,
    record: &Record,
    change: Change,
) -> Vec<(String, String)> {
    let mut fields = Fields::default();
    fields.put("id", record.id);
    if change == Change::Deleted {
        fields.put("catalog_id", catalog_id);
        fields.put("type", "catalog");
        return fields.0;
    }
    fields.put("date_create", record.created_at);
    fields.put("date_modify", record.updated_at);
    fields.put("created_by", record.created_by);
    fields.put("modified_by", record.updated_by);
    fields.put("catalog_id", catalog_id);
    fields.put("name", &record.name);
    fields.put("deleted", 0);
    put_custom_fields(
        &mut fields,
        account,
        FieldOwner::Catalog(catalog_id),
        record,
    );
    fields.put("created_at", record.created_at);
    fields.put("updated_at", record.updated_at);
    fields.put("type", "catalog");
    fields.0
}
