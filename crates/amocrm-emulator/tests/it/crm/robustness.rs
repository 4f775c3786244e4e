//! Whatever is sent, the emulator answers with a status of amoCRM's and goes on.

use proptest::{prelude::*, test_runner::TestRunner};
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::client::Crm;

/// The keys the API knows, so that random documents get past the first check.
const KEYS: [&str; 58] = [
    "id",
    "name",
    "price",
    "status_id",
    "pipeline_id",
    "_embedded",
    "tags",
    "contacts",
    "companies",
    "custom_fields_values",
    "field_id",
    "field_code",
    "values",
    "value",
    "enum_id",
    "enum_code",
    "tags_to_add",
    "statuses",
    "enums",
    "type",
    "metadata",
    "to_entity_id",
    "to_entity_type",
    "entity_id",
    "note_type",
    "params",
    "destination",
    "settings",
    "nested",
    "parent_id",
    "search_in",
    "catalog_id",
    "quantity",
    "is_enabled",
    "mode",
    "earn",
    "segments",
    "conditions",
    "url",
    "sort",
    "created_at",
    "complete_till",
    "text",
    "result",
    "task_type_id",
    "direction",
    "duration",
    "phone",
    "source",
    "source_uid",
    "source_name",
    "form_id",
    "external_id",
    "services",
    "bot_id",
    "rights",
    "file_name",
    "file_size",
];

const WORDS: [&str; 24] = [
    "",
    "PHONE",
    "UTM_SOURCE",
    "USER_AGREEMENT",
    "ADDRESS",
    "WORK",
    "text",
    "select",
    "birthday",
    "contacts",
    "leads",
    "catalog_elements",
    "common",
    "call_in",
    "2026-01-21T00:00:00+03:00",
    "https://gw.example",
    "category",
    "items",
    "linked_entity",
    "segments",
    "periodicity",
    "ITEMS",
    "PAYER",
    "BILL_STATUS",
];

const PATHS: [&str; 55] = [
    "leads",
    "contacts",
    "companies",
    "leads/complex",
    "leads/40000001",
    "contacts/50000001",
    "leads/40000001/link",
    "leads/40000001/unlink",
    "contacts/link",
    "leads/40000001/notes",
    "companies/notes",
    "leads/tags",
    "leads/custom_fields",
    "contacts/custom_fields",
    "leads/custom_fields/500007",
    "leads/custom_fields/groups",
    "leads/pipelines",
    "leads/pipelines/7000001",
    "leads/pipelines/7000001/statuses",
    "leads/pipelines/7000001/statuses/60000002",
    "webhooks",
    "leads/99999999999999999999/links",
    "customers",
    "customers/mode",
    "customers/30000001",
    "customers/30000001/link",
    "customers/30000001/transactions",
    "customers/30000001/bonus_points",
    "customers/statuses",
    "customers/segments",
    "catalogs",
    "catalogs/5001",
    "catalogs/5001/custom_fields",
    "catalogs/5001/elements",
    "catalogs/products/settings",
    "short_links",
    "tasks",
    "tasks/80000001",
    "calls",
    "/api/v2/events",
    "events",
    "leads/unsorted/forms",
    "leads/unsorted/sip",
    "leads/unsorted/summary",
    "leads/loss_reasons",
    "sources",
    "website_buttons",
    "chats/templates",
    "bots/run",
    "widgets/local_widget",
    "users",
    "roles",
    "talks",
    "/v1.0/sessions",
    "/v1.0/files",
];

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        prop_oneof![
            Just(i64::MIN),
            Just(i64::MAX),
            Just(142),
            Just(40_000_001),
            -10_i64..10,
            any::<i64>()
        ]
        .prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        proptest::sample::select(&WORDS[..]).prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((proptest::sample::select(&KEYS[..]), inner), 0..6).prop_map(
                |pairs| pairs
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect::<Map<_, _>>()
                    .into()
            ),
        ]
    })
}

#[test]
fn no_request_makes_the_emulator_fail() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let crm = runtime.block_on(Crm::start());
    runtime.block_on(async {
        crm.control("customers", json!({"mode": "segments"})).await;
        crm.create("customers", json!({"name": "x"})).await;
        crm.create("catalogs", json!({"name": "x", "type": "invoices"}))
            .await;
    });
    let methods = vec![Method::POST, Method::PATCH, Method::DELETE, Method::GET];
    let request = (
        proptest::sample::select(&PATHS[..]),
        proptest::sample::select(methods),
        document(),
        "[a-z0-9\\[\\]=&%]{0,30}",
    );
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 400,
        ..ProptestConfig::default()
    });
    let outcome = runner.run(&request, |(path, method, document, query)| {
        let body = if document.is_object()
            && !path.ends_with(|c: char| c.is_ascii_digit())
            && path != "webhooks"
        {
            json!([document])
        } else {
            document
        };
        let (status, answer) =
            runtime.block_on(crm.send(method, &format!("{path}?{query}"), Some(body.to_string())));
        let known = matches!(status, 200..=202 | 204 | 400 | 403..=405 | 422 | 426);
        prop_assert!(known, "{status} {answer}");
        Ok(())
    });
    outcome.unwrap();
    // Everything that was let in can be read, and saved.
    for path in [
        "leads",
        "contacts",
        "companies",
        "leads/custom_fields",
        "leads/pipelines",
        "leads/tags",
        "leads/notes",
        "customers",
        "catalogs",
        "catalogs/5001/elements",
        "catalogs/5001/custom_fields",
        "tasks",
        "events",
        "leads/unsorted",
        "leads/unsorted/summary",
        "roles",
    ] {
        let (status, _) = runtime.block_on(crm.get(&format!(
            "{path}?limit=250&with=contacts,leads,catalog_elements"
        )));
        assert!(matches!(status, 200 | 204 | 426), "{path}");
    }
}

#[tokio::test]
async fn numbers_at_the_ends_of_their_range_do_no_harm_later() {
    let crm = Crm::start().await;
    crm.create(
        "leads/custom_fields",
        json!({"name": "x", "type": "text", "sort": i64::MAX}),
    )
    .await;
    crm.create("leads/custom_fields", json!({"name": "y", "type": "text"}))
        .await;

    let metadata = json!({"form_id": 1, "form_name": "x", "form_page": "x"});
    for created_at in [i64::MIN, i64::MIN, i64::MAX] {
        let form = json!({"source_uid": "x", "source_name": "x", "created_at": created_at, "metadata": metadata});
        let (_, made) = crm.post("leads/unsorted/forms", json!([form])).await;
        let uid = made["_embedded"]["unsorted"][0]["uid"].as_str().unwrap();
        crm.delete(&format!("leads/unsorted/{uid}/decline")).await;
    }
    let (status, summary) = crm.get("leads/unsorted/summary").await;
    assert_eq!((status, summary["declined"].as_i64()), (200, Some(3)));
}

#[tokio::test]
async fn long_lists_are_taken_quickly_and_endless_ones_refused() {
    let crm = Crm::start().await;
    let tags = |count: usize| -> Vec<Value> {
        let names = (0..count).map(|number| json!({"name": format!("tag {}", number % 3_000)}));
        names.collect()
    };
    let lead = |count| json!([{"name": "x", "_embedded": {"tags": tags(count)}}]);
    let (status, made) = crm.post("leads", lead(5_000)).await;
    assert_eq!(status, 200, "{made}");
    let id = &made["_embedded"]["leads"][0]["id"];
    let kept = crm.read(&format!("leads/{id}")).await;
    assert_eq!(kept["_embedded"]["tags"].as_array().unwrap().len(), 3_000);

    let (status, refused) = crm.post("leads", lead(5_001)).await;
    let complaint = &refused["validation-errors"][0]["errors"][0];
    assert_eq!(
        (status, complaint["path"].as_str()),
        (400, Some("_embedded.tags"))
    );
}
