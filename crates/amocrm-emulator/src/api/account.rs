//! `GET /api/v4/account`.

use serde_json::{Value, json};

use super::call::Context;
use crate::{
    hal::{Answer, Reply, self_link},
    world::{Account, CatalogType},
};

/// The account, with the parts its `with` asks for.
#[expect(clippy::unnecessary_wraps, reason = "the signature of every operation")]
pub(crate) fn show(cx: &mut Context<'_>) -> Answer {
    let (account, query) = (&*cx.account, cx.query());
    let owner = account.users.first().map_or(0, |user| user.id);
    let mut document = json!({
        "id": account.id,
        "name": account.name,
        "subdomain": account.subdomain,
        "current_user_id": cx.user_id(),
        "country": account.country,
        "currency": account.currency,
        "currency_symbol": if account.currency == "RUB" { "₽" } else { "$" },
        "customers_mode": account.customers.mode.as_str(),
        "is_unsorted_on": true,
        "is_loss_reason_enabled": true,
        "is_helpbot_enabled": false,
        "is_technical_account": false,
        "contact_name_display_order": 1,
        "mobile_feature_version": 0,
        "language": "ru",
        "created_at": account.created_at,
        "created_by": owner,
        "updated_at": account.created_at,
        "updated_by": owner,
        "_links": self_link(&cx.url()),
    });
    if query.with("amojo_id") {
        document["amojo_id"] = account.amojo_id.as_str().into();
    }
    if query.with("uuid") {
        document["uuid"] = account.uuid.as_str().into();
    }
    if query.with("version") {
        document["version"] = 16.into();
    }
    if query.with("drive_url") {
        document["drive_url"] = cx.drive_url().into();
    }
    if query.with("is_api_filter_enabled") {
        document["is_api_filter_enabled"] = account.is_api_filter_enabled.into();
    }
    if query.with("invoices_settings") {
        let invoices = account.catalogs.of_kind(CatalogType::Invoices);
        let invoices = invoices.map(|catalog| catalog.id);
        document["invoices_settings"] = json!({"lang": null, "invoices_catalog_id": invoices});
    }
    if query.with("entity_names") {
        document["entity_names"] = entity_names();
    }
    document["_embedded"] = embedded(cx, account);
    Ok(Reply::ok(document))
}

fn embedded(cx: &Context<'_>, account: &Account) -> Value {
    let query = cx.query();
    let mut parts = json!({});
    if query.with("amojo_rights") {
        parts["amojo_rights"] = json!({"can_direct": true, "can_create_groups": true});
    }
    if query.with("users_groups") {
        parts["users_groups"] = account
            .user_groups()
            .map(|group| json!({"id": group.id, "name": group.name, "uuid": null}))
            .collect();
    }
    if query.with("task_types") {
        let types = account.task_types.iter().map(|kind| {
            json!({
                "id": kind.id,
                "name": kind.name,
                "color": kind.color,
                "icon_id": kind.icon_id,
                "code": kind.code,
            })
        });
        parts["task_types"] = types.collect();
    }
    if query.with("datetime_settings") {
        let minutes = account.utc_offset_seconds / 60;
        let sign = if minutes < 0 { '-' } else { '+' };
        let offset = format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60);
        parts["datetime_settings"] = json!({
            "date_pattern": "d.m.Y H:i",
            "short_date_pattern": "d.m.Y",
            "short_time_pattern": "H:i",
            "date_format": "d.m.Y",
            "time_format": "H:i:s",
            "timezone": "Europe/Moscow",
            "timezone_offset": offset,
        });
    }
    parts
}

fn entity_names() -> Value {
    json!({
        "leads": {
            "ru": {
                "gender": "f",
                "plural_form": {"default": "Сделки", "dative": "Сделкам", "genitive": "Сделок"},
                "singular_form": {"default": "Сделка", "dative": "Сделке", "genitive": "Сделки"},
            },
            "en": {"gender": "m", "plural_form": {"default": "Leads"}, "singular_form": {"default": "Lead"}},
        }
    })
}
