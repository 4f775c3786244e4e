//! Bodies as amoCRM sends them: shapes from the API notes, invented values, and about the sizes seen in accounts.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// Custom fields that the account's leads have.
pub(crate) const FIELDS: u64 = 40;

/// How many of them are filled in a usual lead: amoCRM tells only the filled ones, and a page of 250 is then about 690 KB.
pub(crate) const USUALLY_FILLED: u64 = 13;

/// Entities of a page and of a batch.
pub(crate) const PAGE: u64 = 250;

const FIRST_ID: u64 = 40_000_001;

/// A page of leads of which each has `filled` of the account's custom fields.
pub(crate) fn leads_page(filled: u64) -> String {
    let leads: Vec<Value> = (0..PAGE).map(|index| lead(index, filled)).collect();
    json!({
        "_page": 1,
        "_links": {
            "self": {"href": "https://acme.amocrm.ru/api/v4/leads?page=1&limit=250"},
            "next": {"href": "https://acme.amocrm.ru/api/v4/leads?page=2&limit=250"},
        },
        "_embedded": {"leads": leads},
    })
    .to_string()
}

fn lead(index: u64, filled: u64) -> Value {
    let id = FIRST_ID + index;
    // Which of the fields are filled differs from lead to lead.
    let fields: Vec<Value> = (0..filled)
        .map(|number| custom_field((index + number * FIELDS / filled) % FIELDS, index))
        .collect();
    let is_closed = index.is_multiple_of(5);
    json!({
        "id": id,
        "name": format!("Заявка с сайта: китайский с нуля, группа №{index}"),
        "price": 1500 * (index % 97),
        "responsible_user_id": 9_000_001 + index % 7,
        "group_id": 0,
        "status_id": if is_closed { 142 } else { 60_000_001 + index % 6 },
        "pipeline_id": 7_000_001,
        "loss_reason_id": null,
        "created_by": 9_000_001,
        "updated_by": 0,
        "created_at": 1_768_000_000 + index * 3_607,
        "updated_at": 1_769_000_000 + index * 61,
        "closed_at": is_closed.then_some(1_769_000_000 + index * 61),
        "closest_task_at": (!is_closed).then_some(1_769_100_000 + index),
        "is_deleted": false,
        "custom_fields_values": fields,
        "score": null,
        "account_id": 31_000_001,
        "labor_cost": null,
        "is_price_computed": false,
        "_links": {"self": {"href": format!("https://acme.amocrm.ru/api/v4/leads/{id}?page=1&limit=250")}},
        "_embedded": {
            "tags": [
                {"id": 71_001, "name": "сайт", "color": null},
                {"id": 71_002, "name": "повторный", "color": "CCFF66"},
            ],
            "companies": [{
                "id": 50_500_001 + index,
                "_links": {"self": {"href": format!("https://acme.amocrm.ru/api/v4/companies/{}?page=1&limit=250", 50_500_001 + index)}},
            }],
        },
    })
}

/// The usual mix: UTM marks, texts, numbers, choices, dates, flags.
fn custom_field(number: u64, index: u64) -> Value {
    let (name, code, kind, value) = match number % 8 {
        0 => (
            "utm_source",
            Some("UTM_SOURCE"),
            "tracking_data",
            json!("yandex"),
        ),
        1 => (
            "utm_campaign",
            Some("UTM_CAMPAIGN"),
            "tracking_data",
            json!(format!("kitaiskiy-s-nulya-{index}")),
        ),
        2 => (
            "Комментарий клиента",
            None,
            "textarea",
            json!(format!(
                "Хочу заниматься по вечерам, перезвоните после {}:00",
                10 + index % 9
            )),
        ),
        3 => (
            "Пройдено уроков",
            None,
            "numeric",
            json!((index % 64).to_string()),
        ),
        4 => ("Курс", None, "select", json!("Китайский с нуля")),
        5 => (
            "Первый урок",
            None,
            "date",
            json!(1_769_000_000 + index * 86_400),
        ),
        6 => ("Согласие", None, "checkbox", json!(true)),
        _ => ("Дни занятий", None, "multiselect", json!("понедельник")),
    };
    let mut item = json!({"value": value});
    if matches!(kind, "select" | "multiselect") {
        item["enum_id"] = json!(4_400 + index % 5);
        item["enum_code"] = Value::Null;
    }
    json!({
        "field_id": 500_000 + number,
        "field_name": name,
        "field_code": code,
        "field_type": kind,
        "values": [item],
    })
}

/// The answer to a batch of new contacts.
pub(crate) fn contacts_created() -> String {
    let contacts: Vec<Value> = (0..PAGE)
        .map(|index| {
            let id = 50_000_001 + index;
            json!({
                "id": id,
                "request_id": index.to_string(),
                "_links": {"self": {"href": format!("https://acme.amocrm.ru/api/v4/contacts/{id}")}},
                "is_deleted": false,
                "is_unsorted": false,
            })
        })
        .collect();
    json!({
        "_links": {"self": {"href": "https://acme.amocrm.ru/api/v4/contacts"}},
        "_embedded": {"contacts": contacts},
    })
    .to_string()
}

/// The body of a webhook about one changed lead with many custom fields: about 7.5 KB.
pub(crate) fn webhook() -> String {
    const SIZE: usize = 7_500;
    let mut body = String::from(
        "account%5Bsubdomain%5D=acme-demo&account%5Bid%5D=31000001\
         &account%5B_links%5D%5Bself%5D=https%3A%2F%2Facme-demo.amocrm.ru",
    );
    let lead = "&leads%5Bupdate%5D%5B0%5D";
    for (key, value) in [
        ("id", "40000001"),
        (
            "name",
            "%D0%97%D0%B0%D1%8F%D0%B2%D0%BA%D0%B0+%D1%81+%D1%81%D0%B0%D0%B9%D1%82%D0%B0",
        ),
        ("status_id", "60000001"),
        ("old_status_id", "60000002"),
        ("price", "1500"),
        ("responsible_user_id", "9000001"),
        ("last_modified", "1769000100"),
        ("modified_user_id", "9000001"),
        ("created_user_id", "9000002"),
        ("date_create", "1768990000"),
        ("pipeline_id", "7000001"),
        ("account_id", "31000001"),
    ] {
        push(&mut body, format_args!("{lead}%5B{key}%5D={value}"));
    }
    let mut number = 0;
    while body.len() < SIZE {
        let field = format!("{lead}%5Bcustom_fields%5D%5B{number}%5D");
        push(
            &mut body,
            format_args!("{field}%5Bid%5D={}", 500_000 + number),
        );
        push(
            &mut body,
            format_args!(
                "{field}%5Bname%5D=%D0%9A%D1%83%D1%80%D1%81&{}%5Bvalues%5D%5B0%5D%5Bvalue%5D=Chinese+from+zero",
                &field[1..]
            ),
        );
        if number % 3 == 0 {
            push(
                &mut body,
                format_args!("{field}%5Bvalues%5D%5B0%5D%5Benum%5D=4401"),
            );
        }
        number += 1;
    }
    push(&mut body, format_args!("{lead}%5Bcreated_at%5D=1768990000"));
    push(&mut body, format_args!("{lead}%5Bupdated_at%5D=1769000100"));
    body
}

fn push(body: &mut String, part: std::fmt::Arguments<'_>) {
    body.write_fmt(part)
        .expect("writing to a string does not fail");
}
