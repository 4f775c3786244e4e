//! Tasks: what may be written, what is found, and what a card knows of them.

use serde_json::{Value, json};

use super::client::{Crm, violations};

const TOMORROW: i64 = 2_000_000_000;

async fn closest(crm: &Crm, card: &str) -> Value {
    crm.read(card).await["closest_task_at"].clone()
}

#[tokio::test]
async fn a_card_knows_its_next_task_until_the_last_one_is_done() {
    let crm = Crm::start().await;
    let lead = crm.create("leads", json!({"name": "Кухня"})).await;
    let card = format!("leads/{lead}");
    let on_lead = |text: &str, at: i64| json!({"text": text, "complete_till": at, "entity_id": lead, "entity_type": "leads"});
    let later = crm
        .create("tasks", on_lead("позвонить", TOMORROW + 60))
        .await;
    let sooner = crm.create("tasks", on_lead("встретить", TOMORROW)).await;
    assert_eq!(closest(&crm, &card).await, TOMORROW);
    crm.change(
        &format!("tasks/{sooner}"),
        json!({"complete_till": TOMORROW + 99}),
    )
    .await;
    assert_eq!(closest(&crm, &card).await, TOMORROW + 60);

    let before = crm.read(&format!("tasks/{later}")).await;
    assert_eq!(
        (
            &before["result"],
            &before["task_type_id"],
            &before["is_completed"]
        ),
        (&json!([]), &json!(1), &json!(false))
    );
    let done = json!({"is_completed": true, "result": {"text": "дозвонился"}, "request_id": "x"});
    let answer = crm.change(&format!("tasks/{later}"), done).await;
    let keys: Vec<&String> = answer.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["_links", "id", "request_id", "updated_at"]);
    assert_eq!(
        crm.read(&format!("tasks/{later}")).await["result"],
        json!({"text": "дозвонился"})
    );
    assert_eq!(closest(&crm, &card).await, TOMORROW + 99);

    // It moves to another card, and goes with that one.
    let contact = crm.create("contacts", json!({})).await;
    let moved = json!([{"id": sooner, "entity_id": contact, "entity_type": "contacts", "text": "написать", "task_type_id": 2}]);
    assert_eq!(crm.patch("tasks", moved).await.0, 200);
    assert_eq!(closest(&crm, &card).await, Value::Null);
    crm.throw_away("contacts", contact).await;
    assert_eq!(crm.get(&format!("tasks/{sooner}")).await.0, 204);

    let kinds = async |task: u64| -> Vec<String> {
        let events = crm
            .read(&format!(
                "events?filter[entity]=task&filter[entity_id]={task}"
            ))
            .await;
        let events = events["_embedded"]["events"].as_array().unwrap().clone();
        events
            .iter()
            .rev()
            .map(|event| format!("{} {}", event["type"], event["value_after"]))
            .collect()
    };
    let told = kinds(later).await;
    assert_eq!(told[..2], [r#""task_added" []"#, r#""task_completed" []"#]);
    assert!(told[2].starts_with(r#""task_result_added" [{"note":{"id":"#));
    assert_eq!(
        kinds(sooner).await,
        [
            r#""task_added" []"#,
            &format!(
                r#""task_deadline_changed" [{{"task_deadline":{{"timestamp":{}}}}}]"#,
                TOMORROW + 99
            ),
            r#""task_text_changed" [{"task":{"text":"написать"}}]"#,
            r#""task_type_changed" [{"task_type":{"id":2}}]"#,
            r#""task_deleted" []"#,
        ]
    );
}

#[tokio::test]
async fn a_task_is_checked_field_by_field_and_never_deleted() {
    let crm = Crm::start().await;
    let lead = crm.create("leads", json!({})).await;
    let (status, document) = crm
        .post(
            "tasks",
            json!([
                {"text": "ok", "complete_till": TOMORROW},
                {"complete_till": "soon", "task_type_id": 77, "request_id": "b"},
                {"text": 5, "complete_till": 1, "entity_id": lead, "result": {"note": "x"}},
                {"text": "", "complete_till": 1, "entity_id": 1, "entity_type": "leads", "group_id": 0},
                {"text": "", "complete_till": 1, "entity_id": lead, "entity_type": "lead", "responsible_user_id": 0},
            ]),
        )
        .await;
    assert_eq!(status, 400);
    assert_eq!(
        violations(&document),
        [
            "b: FieldMissing text",
            "b: NotSupportedChoice task_type_id",
            "b: InvalidType complete_till",
            "2: FieldNotExpected result.note",
            "2: FieldMissing result.text",
            "2: FieldMissing entity_type",
            "2: InvalidType text",
            "3: FieldNotExpected group_id",
            "3: NotSupportedChoice entity_id",
            "4: NotSupportedChoice responsible_user_id",
            "4: NotSupportedChoice entity_type",
        ]
    );
    assert_eq!(
        crm.get("tasks").await.0,
        204,
        "nothing of the batch was kept"
    );

    let task = crm
        .create("tasks", json!({"text": "", "complete_till": 1}))
        .await;
    let path = format!("tasks/{task}");
    assert_eq!(crm.read(&path).await["entity_id"], Value::Null);
    let (status, document) = crm.delete(&path).await;
    assert_eq!(
        (status, &document["detail"]),
        (403, &json!("Invalid scope"))
    );
    assert_eq!(crm.get("tasks/1").await.0, 204);
    assert_eq!(
        crm.patch("tasks/1", json!({"is_completed": true})).await.0,
        404
    );
    crm.throw_away("leads", lead).await;
    let late =
        json!([{"text": "x", "complete_till": 1, "entity_id": lead, "entity_type": "leads"}]);
    assert_eq!(crm.post("tasks", late).await.1["detail"], "Error 226");
    let types = crm.read("account?with=task_types").await;
    assert_eq!(types["_embedded"]["task_types"][2]["code"], Value::Null);
}

#[tokio::test]
async fn tasks_are_found_by_every_filter_and_order() {
    let crm = Crm::start().await;
    let users = crm.read("users").await;
    let manager = &users["_embedded"]["users"][1]["id"];
    let lead = crm.create("leads", json!({"status_id": 142})).await;
    let other = crm.create("leads", json!({})).await;
    let a = crm.create("tasks", json!({"text": "a", "complete_till": 30, "created_at": 3, "updated_at": 100, "task_type_id": 2})).await;
    let b = crm.create("tasks", json!({"text": "b", "complete_till": 20, "created_at": 1, "updated_at": 200, "entity_id": lead, "entity_type": "leads"})).await;
    let c = crm.create("tasks", json!({"text": "c", "complete_till": 10, "created_at": 2, "updated_at": 300, "entity_id": other, "entity_type": "leads", "is_completed": true, "responsible_user_id": manager, "created_by": 0})).await;
    let all = [a, b, c];
    let cases: Vec<(String, Vec<u64>)> = vec![
        (String::new(), all.to_vec()),
        ("order[complete_till]=asc".into(), vec![c, b, a]),
        ("order[created_at]=desc".into(), vec![a, c, b]),
        ("order[id]=desc&limit=2".into(), vec![c, b]),
        ("order[updated_at]=desc".into(), all.to_vec()),
        (format!("filter[id]={a},{c}"), vec![a, c]),
        (format!("filter[id][]={a}&filter[id][]={c}"), vec![a, c]),
        ("filter[task_type]=2".into(), vec![a]),
        ("filter[task_type_id][]=2".into(), vec![a]),
        (
            "filter[task_type]=1&filter[task_type_id]=1".into(),
            vec![b, c],
        ),
        ("filter[is_completed][]=1".into(), vec![c]),
        ("filter[is_completed]=0".into(), vec![a, b]),
        ("filter[entity_type]=leads".into(), vec![b, c]),
        (
            format!("filter[entity_type]=leads&filter[entity_id]={lead}"),
            vec![b],
        ),
        (format!("filter[entity_id]={lead}"), all.to_vec()),
        ("filter[updated_at]=200".into(), vec![b, c]),
        (
            "filter[updated_at][from]=150&filter[updated_at][to]=250".into(),
            vec![b],
        ),
        (format!("filter[responsible_user_id]={manager}"), vec![c]),
        ("filter[created_by]=0".into(), vec![c]),
        ("filter[lead_statuses][]=142".into(), vec![b]),
        ("filter[nonsense]=1".into(), all.to_vec()),
    ];
    for (query, expected) in cases {
        assert_eq!(
            crm.ids(&format!("tasks?{query}")).await,
            expected,
            "{query}"
        );
    }
    assert_eq!(crm.get("tasks?page=2").await.0, 204);
}
