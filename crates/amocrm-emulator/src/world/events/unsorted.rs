//! What webhooks say of incoming leads.

use serde_json::Value;

use super::{Fields, WorldEvent, put_custom_fields, put_tree};
use crate::world::{Account, EntityType, Unsorted};

impl WorldEvent {
    /// The event of a new incoming lead.
    pub(crate) fn unsorted_added(account: &Account, item: &Unsorted) -> Self {
        let mut fields = Fields::default();
        fields.put("uid", &item.uid);
        fields.put("category", &item.category);
        put_source(&mut fields, item);
        fields.put("date_create", item.created_at);
        put_data(&mut fields, account, item);
        fields.put("pipeline_id", item.pipeline_id);
        fields.put("account_id", account.id);
        fields.put("source_uid", item.source_uid.as_deref().unwrap_or_default());
        fields.put("lead_id", item.lead_id);
        fields.put("created_at", item.created_at);
        event(account, "add_unsorted", "add", fields)
    }

    /// The event of an edited incoming lead.
    pub(crate) fn unsorted_updated(account: &Account, item: &Unsorted, user_id: u64) -> Self {
        let mut fields = Fields::default();
        fields.put("uid", &item.uid);
        fields.put("category", &item.category);
        fields.put("account_id", account.id);
        fields.put("user_id", user_id);
        fields.put("source", item.source_name.as_deref().unwrap_or_default());
        fields.put("pipeline_id", item.pipeline_id);
        put_source(&mut fields, item);
        if let Some(lead) = account.leads.get(item.lead_id) {
            let status = lead.lead.as_ref().map_or(0, |lead| lead.status_id);
            let mut put = |key: &str, value: String| {
                fields.put_path(format!("[data][leads][0][{key}]"), value);
            };
            put("id", lead.id.to_string());
            put("status_id", status.to_string());
            put("pipeline_id", item.pipeline_id.to_string());
            put("name", lead.name.clone());
            put("created_user_id", lead.created_by.to_string());
            put("date_create", lead.created_at.to_string());
        }
        fields.put_path("[data][pipeline_id]".to_owned(), item.pipeline_id);
        fields.put_path("[data][created_at]".to_owned(), item.created_at);
        event(account, "update_unsorted", "update", fields)
    }

    /// The event of one that was accepted, as this lead or customer, or declined.
    pub(crate) fn unsorted_deleted(account: &Account, item: &Unsorted, result_id: u64) -> Self {
        let is_accepted = item.outcome.is_some_and(|outcome| outcome.is_accepted);
        let action = if is_accepted { "accept" } else { "decline" };
        let mut fields = Fields::default();
        fields.put("action", action);
        fields.put("uid", &item.uid);
        fields.put_path(format!("[{action}_result][leads][0]"), result_id);
        fields.put("category", &item.category);
        fields.put("created_at", item.created_at);
        let user = account
            .leads
            .get(item.lead_id)
            .map_or(0, |lead| lead.updated_by);
        fields.put("modified_user_id", user);
        event(account, "delete_unsorted", "delete", fields)
    }
}

fn event(
    account: &Account,
    code: &'static str,
    action: &'static str,
    fields: Fields,
) -> WorldEvent {
    WorldEvent {
        account_id: account.id,
        code,
        entity: "unsorted",
        action,
        fields: fields.0,
    }
}

/// `source_data`, in the layout of forms for those and as the metadata are for the others.
fn put_source(fields: &mut Fields, item: &Unsorted) {
    let empty = Value::Null;
    let of = |key: &str| item.metadata.get(key).unwrap_or(&empty);
    let mut put = |path: &str, value: &Value| {
        put_tree(fields, format!("[source_data]{path}"), value);
    };
    match item.category.as_str() {
        "forms" => {
            put("[form_id]", of("form_id"));
            put("[form_type]", of("form_type"));
            put("[from]", of("form_page"));
            put("[form_name]", of("form_name"));
            put("[origin][ip]", of("ip"));
            put("[origin][datetime]", of("form_sent_at"));
            put("[origin][referer]", of("referer"));
            put("[date]", of("form_sent_at"));
        }
        "chats" => {
            put("[client]", of("client"));
            put("[data][0][text]", of("last_message_text"));
            put("[origin]", of("origin"));
            put("[service]", of("service"));
            put("[source_name]", of("source_name"));
        }
        _ => put("", &item.metadata),
    }
}

fn put_data(fields: &mut Fields, account: &Account, item: &Unsorted) {
    if let Some(lead) = account.leads.get(item.lead_id) {
        let mut of_lead = Fields::default();
        of_lead.put("last_modified", lead.updated_at);
        of_lead.put("name", &lead.name);
        of_lead.put("pipeline_id", item.pipeline_id);
        of_lead.put("modified_user_id", lead.updated_by);
        of_lead.put("date_create", lead.created_at);
        put_custom_fields(&mut of_lead, account, EntityType::Leads, lead);
        for (path, value) in of_lead.0 {
            fields.put_path(format!("[data][leads][0]{path}"), value);
        }
    }
    let contacts = item.contacts.iter();
    let contacts = contacts.filter_map(|id| account.contacts.get(*id));
    for (index, contact) in contacts.enumerate() {
        fields.put_path(format!("[data][contacts][{index}][name]"), &contact.name);
    }
}
