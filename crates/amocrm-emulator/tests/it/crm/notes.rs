//! Notes: every type with what it may hold, and the rows nobody can write any more.

use serde_json::{Value, json};

use super::client::{Crm, violations};

#[tokio::test]
async fn every_writable_type_is_kept_and_the_others_are_refused() {
    let crm = Crm::start().await;
    let lead = crm.create("leads", json!({})).await;
    let call = json!({"uniq": "1", "duration": 5, "source": "pbx", "link": "https://x.example", "phone": "+7", "call_result": "ok", "call_status": 4, "call_responsible": 9_000_001});
    let writable = [
        ("common", json!({"text": "а"})),
        ("call_in", call.clone()),
        ("call_out", call),
        ("service_message", json!({"service": "s", "text": "а"})),
        (
            "extended_service_message",
            json!({"service": "s", "text": "а"}),
        ),
        ("message_cashier", json!({"status": "shown", "text": "а"})),
        (
            "geolocation",
            json!({"text": "а", "address": "б", "longitude": "39.7", "latitude": "43.5"}),
        ),
        ("sms_in", json!({"text": "а", "phone": "+7"})),
        ("sms_out", json!({"text": "а", "phone": "+7"})),
        (
            "invoice_paid",
            json!({"text": "а", "service": "s", "icon_url": "https://x.example"}),
        ),
        ("bill_paid", json!({"text": "а", "service": "s"})),
        (
            "ai_result",
            json!({"text": "а", "answer_id": 1, "talk_id": 2, "is_error": false}),
        ),
        ("site_visit", json!({"url": "https://x.example"})),
        (
            "targeting_in",
            json!({"contacts": [], "campaign": "c", "service": "vkontakte"}),
        ),
        ("targeting_out", json!({"service": "facebook"})),
    ];
    let path = format!("leads/{lead}/notes");
    for (kind, params) in writable {
        let note = crm
            .create(&path, json!({"note_type": kind, "params": params}))
            .await;
        let read = crm.read(&format!("leads/notes/{note}")).await;
        assert_eq!(
            (&read["note_type"], &read["params"]),
            (&json!(kind), &params)
        );
    }
    let file =
        json!({"note_type": "attachment", "params": {"file_uuid": "u-1", "file_name": "plan.pdf"}});
    let note = crm.create(&path, file).await;
    let read = crm.read(&format!("{path}/{note}")).await;
    assert_eq!(
        (
            &read["params"]["is_drive_attachment"],
            &read["params"]["original_name"]
        ),
        (&json!(true), &json!("plan.pdf"))
    );

    for kind in [
        "amomail_message",
        "chat",
        "link_followed",
        "transaction",
        "zoom_meeting",
        "dropbox_attachment",
        "x",
    ] {
        let (status, answer) = crm
            .post(&path, json!([{"note_type": kind, "params": {"a": 1}}]))
            .await;
        assert_eq!(status, 400, "{kind}");
        assert_eq!(violations(&answer), ["0: NotSupportedChoice note_type"]);
    }
    let (_, answer) = crm
        .post(
            &path,
            json!([
                {"note_type": "call_in", "params": {"link": null, "call_result": null, "call_status": "4", "duration": 1.5, "call_responsible": null}},
                {"note_type": "message_cashier", "params": {"status": "sent"}, "colour": 1},
                {"note_type": "geolocation", "params": {"text": "а", "longitude": 39.7, "height": 5}},
                {"note_type": "common", "params": []},
            ]),
        )
        .await;
    assert_eq!(
        violations(&answer),
        [
            "0: InvalidType params.duration",
            "0: NotNullable params.link",
            "0: NotNullable params.call_result",
            "0: InvalidType params.call_status",
            "1: FieldNotExpected colour",
            "1: NotSupportedChoice params.status",
            "2: FieldNotExpected params.height",
            "2: InvalidType params.longitude",
        ]
    );
}

#[tokio::test]
async fn notes_are_found_pinned_and_hidden_with_their_card() {
    let crm = Crm::start().await;
    let contact = crm.create("contacts", json!({})).await;
    let path = format!("contacts/{contact}/notes");
    let common =
        |at: i64| json!({"note_type": "common", "params": {"text": "а"}, "updated_at": at});
    let a = crm.create(&path, common(300)).await;
    let b = crm.create(&path, common(100)).await;
    let sms = json!({"note_type": "sms_in", "params": {"text": "б"}, "updated_at": 200});
    let c = crm.create(&path, sms).await;
    for (query, expected) in [
        (String::new(), vec![b, c, a]),
        ("order[id]=desc".into(), vec![c, b, a]),
        ("filter[note_type]=sms_in,sms_out".into(), vec![c]),
        (
            "filter[note_type][]=common&order[updated_at]=desc".into(),
            vec![a, b],
        ),
        ("filter[updated_at]=200".into(), vec![c, a]),
        ("filter[updated_at][to]=150".into(), vec![b]),
        (format!("filter[id]={a},{c}"), vec![c, a]),
    ] {
        assert_eq!(
            crm.ids(&format!("{path}?{query}")).await,
            expected,
            "{query}"
        );
    }
    assert_eq!(
        crm.ids(&format!("contacts/notes?filter[entity_id][]={contact}"))
            .await,
        [b, c, a]
    );
    assert_eq!(
        crm.post(&format!("contacts/notes/{a}/pin"), json!({}))
            .await,
        (204, Value::Null)
    );
    let pinned = crm.read(&format!("{path}/{a}?with=is_pinned")).await;
    assert_eq!(pinned["is_pinned"], true);
    assert_eq!(
        crm.post(&format!("contacts/notes/{a}/unpin"), json!({}))
            .await
            .0,
        204
    );
    let changed = json!([{"id": b, "params": {"text": "в"}, "request_id": "r"}]);
    assert_eq!(crm.patch("contacts/notes", changed).await.0, 200);
    assert_eq!(
        crm.read(&format!("{path}/{b}")).await["params"]["text"],
        "в"
    );
    assert_eq!(crm.delete(&format!("{path}/{b}")).await, (405, Value::Null));
    crm.throw_away("contacts", contact).await;
    assert_eq!(crm.get(&format!("{path}/{b}")).await.0, 204);
}

#[tokio::test]
async fn old_rows_have_shapes_nobody_can_write() {
    let crm = Crm::start().await;
    let lead = crm.create("leads", json!({})).await;
    for (kind, params) in [
        (
            json!("call_in"),
            json!({"uniq": ["c-1", "c-2"], "call_status": "4"}),
        ),
        (json!("sms_in"), json!({"text": null, "phone": null})),
        (
            json!("lead_auto_created"),
            json!({"type": "child", "lead_id": 5}),
        ),
        (json!("teleported"), json!([])),
        (json!(4), json!(null)),
    ] {
        let row =
            json!({"entity_type": "leads", "entity_id": lead, "note_type": kind, "params": params});
        let (status, made) = crm.control("notes", row).await;
        assert_eq!(status, 201, "{made}");
        let read = crm.read(&format!("leads/notes/{}", made["id"])).await;
        assert_eq!((&read["note_type"], &read["params"]), (&kind, &params));
    }
    let (status, refused) = crm
        .control(
            "notes",
            json!({"entity_type": "leads", "entity_id": 1, "note_type": "x"}),
        )
        .await;
    assert_eq!(
        (status, &refused["detail"]),
        (400, &json!("entity_id: no such card"))
    );
}

#[tokio::test]
async fn the_feed_lags_and_may_hide_its_next_page_when_told_to() {
    let crm = Crm::start().await;
    crm.control("feed", json!({"lag_ms": 60_000, "omits_next": true}))
        .await;
    crm.post("leads", json!([{}, {}])).await;
    let path = "events?filter[type]=lead_added&limit=1";
    assert_eq!(crm.get(path).await.0, 204);
    crm.emulator.advance(std::time::Duration::from_secs(61));
    let list = crm.read(path).await;
    assert_eq!(list["_links"].get("next"), None);
    assert_eq!(crm.read(&format!("{path}&page=2")).await["_page"], 2);
}
