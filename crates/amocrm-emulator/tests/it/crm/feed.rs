//! The activity feed tells what every other request has done.

use serde_json::{Value, json};

use super::client::Crm;

/// `type before→after` of the events of one entity, oldest first.
async fn told(crm: &Crm, entity: &str, id: u64) -> Vec<String> {
    let path = format!("events?filter[entity]={entity}&filter[entity_id][]={id}&limit=100");
    let (status, document) = crm.get(&path).await;
    if status == 204 {
        return Vec::new();
    }
    let events = document["_embedded"]["events"].as_array().unwrap();
    let line = |event: &Value| {
        assert_eq!(event["entity_type"], entity);
        assert_eq!(event["_embedded"]["entity"]["id"], id);
        let kind = event["type"].as_str().unwrap();
        format!("{kind} {}→{}", event["value_before"], event["value_after"])
    };
    events.iter().rev().map(line).collect()
}

#[tokio::test]
async fn a_leads_life_is_in_the_feed() {
    let crm = Crm::start().await;
    let lead = crm
        .create("leads", json!({"name": "Кухня", "price": 5}))
        .await;
    let contact = crm.create("contacts", json!({"name": "Иван"})).await;
    let path = format!("leads/{lead}");
    let before = crm.read(&path).await;
    let field = crm
        .create(
            "leads/custom_fields",
            json!({"name": "Цвет", "type": "select", "enums": [{"value": "белый"}]}),
        )
        .await;
    let users = crm.read("users").await;
    let manager = &users["_embedded"]["users"][1]["id"];
    crm.change(
        &path,
        json!({
            "name": "Шкаф", "price": 7, "status_id": 142, "responsible_user_id": manager,
            "tags_to_add": [{"name": "vip"}, {"name": "опт"}],
            "custom_fields_values": [{"field_id": field, "values": [{"value": "белый"}]}],
        }),
    )
    .await;
    crm.change(&path, json!({"tags_to_delete": [{"name": "опт"}]}))
        .await;
    let link = json!([{"to_entity_id": contact, "to_entity_type": "contacts"}]);
    for verb in ["link", "link", "unlink"] {
        crm.post(&format!("{path}/{verb}"), link.clone()).await;
    }
    crm.create(
        &format!("{path}/notes"),
        json!({"note_type": "common", "params": {"text": "звонил"}}),
    )
    .await;
    crm.throw_away("leads", lead).await;

    let events = told(&crm, "lead", lead).await;
    let kinds: Vec<&str> = events
        .iter()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    let of_field = format!("custom_field_{field}_value_changed");
    assert_eq!(
        kinds,
        [
            "lead_added",
            "name_field_changed",
            "sale_field_changed",
            "entity_tag_added",
            &of_field,
            "lead_status_changed",
            "entity_responsible_changed",
            "entity_tag_deleted",
            "contact_linked",
            "contact_unlinked",
            "common_note_added",
            "lead_deleted",
        ]
    );
    let (stage, pipeline) = (&before["status_id"], &before["pipeline_id"]);
    let line = |kind: &str| {
        events
            .iter()
            .find(|line| line.starts_with(kind))
            .unwrap()
            .as_str()
    };
    assert!(line("lead_added").starts_with(r#"lead_added []→[{"note":{"id":3"#));
    assert_eq!(
        line("lead_status_changed"),
        format!(
            r#"lead_status_changed [{{"lead_status":{{"id":{stage},"pipeline_id":{pipeline}}}}}]→[{{"lead_status":{{"id":142,"pipeline_id":{pipeline}}}}}]"#
        )
    );
    assert_eq!(
        line("sale_field_changed"),
        r#"sale_field_changed [{"sale_field_value":{"sale":5,"sale_with_minor_units":5.0}}]→[{"sale_field_value":{"sale":7,"sale_with_minor_units":7.0}}]"#
    );
    assert_eq!(
        line("entity_tag_added"),
        r#"entity_tag_added []→[{"tag":{"name":"vip"}},{"tag":{"name":"опт"}}]"#
    );
    assert!(line(&of_field).contains(r#""field_type":4"#));
    assert_eq!(
        line("contact_linked"),
        format!(
            r#"contact_linked []→[{{"link":{{"entity":{{"id":{contact},"type":"contact"}}}}}}]"#
        )
    );
    let kinds = told(&crm, "contact", contact).await;
    assert_eq!(kinds.len(), 3, "{kinds:?}");
    assert!(kinds[1].starts_with("lead_linked"));
}

#[tokio::test]
async fn the_feed_is_filtered_by_everything_the_documentation_names() {
    let crm = Crm::start().await;
    let pipelines = crm.read("leads/pipelines").await;
    let pipeline = &pipelines["_embedded"]["pipelines"][0]["id"];
    let won = crm.create("leads", json!({"name": "а", "price": 1})).await;
    let lost = crm.create("leads", json!({"name": "б", "price": 1})).await;
    crm.change(
        &format!("leads/{won}"),
        json!({"status_id": 142, "price": 2}),
    )
    .await;
    crm.change(
        &format!("leads/{lost}"),
        json!({"status_id": 143, "price": 3}),
    )
    .await;
    let entities = async |query: &str| -> Vec<u64> {
        let (status, document) = crm.get(&format!("events?{query}")).await;
        assert!(matches!(status, 200 | 204), "{query}: {document}");
        let events = document["_embedded"]["events"].as_array();
        let ids = events.into_iter().flatten();
        ids.map(|event| event["entity_id"].as_u64().unwrap())
            .collect()
    };
    let stage = |status: u64| {
        format!(
            "filter[value_after][leads_statuses][0][pipeline_id]={pipeline}&filter[value_after][leads_statuses][0][status_id]={status}"
        )
    };
    assert_eq!(entities(&stage(142)).await, [won]);
    assert_eq!(
        entities(&format!(
            "{}&{}",
            stage(142),
            stage(143).replace("[0]", "[1]")
        ))
        .await,
        [lost, won]
    );
    assert_eq!(
        entities("filter[type]=sale_field_changed&filter[value_after][value]=3").await,
        [lost]
    );
    assert_eq!(
        entities("filter[type]=lead_added,lead_deleted").await,
        [lost, won]
    );
    assert_eq!(
        entities("filter[type][]=lead_added&filter[type][]=x").await,
        [lost, won]
    );
    assert_eq!(
        entities(&format!(
            "filter[type]=lead_added&filter[entity][]=lead&filter[entity_id]={won},5"
        ))
        .await,
        [won]
    );
    assert_eq!(entities("filter[created_by]=1,2").await, [0u64; 0]);
    assert_eq!(entities("filter[created_at][to]=5").await, [0u64; 0]);
    assert_eq!(entities("filter[created_at]=1,5").await, [0u64; 0]);
    assert_eq!(
        entities("filter[type]=lead_added&filter[created_at]=5").await,
        [lost, won]
    );

    for bad in [
        "filter[entity_id]=1",
        "filter[entity]=lead,contact&filter[entity_id]=1",
        "filter[entity]=lead&filter[entity_id]=1,2,3,4,5,6,7,8,9,10,11",
        "filter[type]=lead_added,custom_field_5_value_changed",
    ] {
        let (status, document) = crm.get(&format!("events?{bad}")).await;
        assert_eq!(status, 400, "{bad}");
        assert!(document["detail"].as_str().unwrap().starts_with("filter["));
    }
}

#[tokio::test]
async fn the_feed_has_pages_of_a_hundred_and_single_events_and_types() {
    let crm = Crm::start().await;
    let names: Vec<Value> = (0..120)
        .map(|n| json!({"name": format!("№ {n}")}))
        .collect();
    crm.post("leads", names.into()).await;
    let list = crm
        .read("events?limit=250&filter[type]=lead_added&with=lead_name")
        .await;
    let events = list["_embedded"]["events"].as_array().unwrap();
    assert_eq!(events.len(), 100);
    assert_eq!(events[0]["_embedded"]["entity"]["name"], "№ 119");
    let next = list["_links"]["next"]["href"].as_str().unwrap();
    assert!(next.contains("page=2&limit=100"), "{next}");
    let id = events[7]["id"].as_str().unwrap();
    assert_eq!(id.len(), 26);
    let one = crm.read(&format!("events/{id}?with=lead_name")).await;
    assert_eq!(one, events[7]);
    assert_eq!(crm.get("events/01hxyz0000000000000000abcd").await.0, 204);
    assert_eq!(crm.get("events?page=9&limit=100").await.0, 204);
    assert_eq!(crm.delete(&format!("events/{id}")).await.0, 405);

    let types = crm.read("events/types?language_code=en").await;
    let types = types["_embedded"]["events_types"].as_array().unwrap();
    assert_eq!(
        types[0],
        json!({"key": "lead_added", "type": 1, "lang": "New lead"})
    );
    let of_fields = types.iter().filter(|kind| kind["type"] == 24).count();
    assert!(of_fields > 20, "{of_fields}");
}

#[tokio::test]
async fn events_of_elements_name_the_element_and_its_list_on_demand() {
    let crm = Crm::start().await;
    let list = crm.create("catalogs", json!({"name": "Flats"})).await;
    let path = format!("catalogs/{list}/elements");
    let element = crm.create(&path, json!({"name": "Flat 17"})).await;
    let link = json!([{"to_entity_id": element, "to_entity_type": "catalog_elements", "metadata": {"catalog_id": list}}]);
    crm.post("leads/40000001/link", link).await;

    let events = format!("events?filter[entity]=catalog_{list}");
    let entity =
        |document: &Value| document["_embedded"]["events"][0]["_embedded"]["entity"].clone();
    let (_, plain) = crm.get(&events).await;
    assert_eq!(entity(&plain)["id"], element);
    assert!(entity(&plain).get("name").is_none() && entity(&plain).get("catalog").is_none());
    let (_, named) = crm
        .get(&format!("{events}&with=catalog_element_name,catalog_name"))
        .await;
    assert_eq!(entity(&named)["name"], "Flat 17");
    assert_eq!(entity(&named)["catalog"]["name"], "Flats");
}
