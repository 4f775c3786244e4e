//! What a developer would write for one program: plain derives, exact types, no tolerance. It holds what the SDK's `Lead`
//! holds, and breaks at the first string in the place of a number.

use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
pub(crate) struct Page {
    #[serde(rename = "_embedded")]
    pub(crate) embedded: Embedded,
}

#[derive(Deserialize)]
pub(crate) struct Embedded {
    pub(crate) leads: Vec<Lead>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "reading it is the work that is measured")]
pub(crate) struct Lead {
    id: u64,
    name: String,
    price: i64,
    responsible_user_id: u64,
    group_id: u64,
    status_id: u64,
    pipeline_id: u64,
    loss_reason_id: Option<u64>,
    created_by: u64,
    updated_by: u64,
    created_at: i64,
    updated_at: i64,
    closed_at: Option<i64>,
    closest_task_at: Option<i64>,
    is_deleted: bool,
    custom_fields_values: Option<Vec<Field>>,
    score: Option<i64>,
    account_id: u64,
    labor_cost: Option<i64>,
    #[serde(rename = "_embedded")]
    embedded: LeadEmbedded,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "reading it is the work that is measured")]
struct Field {
    #[serde(rename = "field_id")]
    id: u64,
    #[serde(rename = "field_name")]
    name: String,
    #[serde(rename = "field_code")]
    code: Option<String>,
    #[serde(rename = "field_type")]
    kind: String,
    values: Vec<FieldValue>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "reading it is the work that is measured")]
struct FieldValue {
    value: Value,
    enum_id: Option<u64>,
    enum_code: Option<String>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "reading it is the work that is measured")]
struct LeadEmbedded {
    tags: Vec<Tag>,
    companies: Vec<Company>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "reading it is the work that is measured")]
struct Tag {
    id: u64,
    name: String,
    color: Option<String>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "reading it is the work that is measured")]
struct Company {
    id: u64,
}
