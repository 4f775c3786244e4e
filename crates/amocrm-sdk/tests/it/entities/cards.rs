//! What cards do besides being written and read: filters by custom fields, sets of tags, links of many.

use amocrm_sdk::custom_fields::{FieldOwner, NewCustomField};
use amocrm_sdk::fields::kind::{Numeric, Select};
use amocrm_sdk::fields::{Field, FieldType, UTM_SOURCE};
use amocrm_sdk::leads::{ComplexLead, FormMetadata, LeadFilter, LeadPatch, NewLead};
use amocrm_sdk::links::{EntityType, NewLink};
use amocrm_sdk::tags::{NewTag, TagPatch};
use amocrm_sdk::{Client, ErrorKind, LeadId, UserId};
use chrono::{TimeZone, Utc};

use super::*;

async fn some_leads(client: &Client, count: usize) -> Vec<LeadId> {
    let leads = (0..count).map(|n| NewLead::new().name(format!("Сделка {n}")));
    let made = client.leads().create(leads).await.unwrap();
    made.iter().map(|lead| lead.id).collect()
}

async fn tags_of(client: &Client, lead: LeadId) -> Vec<String> {
    let lead = client.leads().get(lead).await.unwrap().unwrap();
    let tags = lead.embedded.tags.iter().map(|tag| tag.name.clone());
    tags.collect()
}

#[tokio::test]
async fn cards_are_found_by_their_custom_fields() {
    const OBJECT: Field<Select> = Field::code("OBJECT");
    const AREA: Field<Numeric> = Field::code("AREA");

    let (_emulator, client) = office().await;
    let fields = client.custom_fields(FieldOwner::Leads);
    let made = fields
        .create([
            NewCustomField::new("Объект", FieldType::Select)
                .code("OBJECT")
                .options(["Вилла", "Студия", "Земля"]),
            NewCustomField::new("Площадь", FieldType::Numeric).code("AREA"),
        ])
        .await
        .unwrap();
    let (object, area) = (made[0].id, made[1].id);
    let leads = [("Вилла", 250), ("Студия", 28), ("Земля", 900)]
        .map(|(what, size)| NewLead::new().field(&OBJECT, what).field(&AREA, size));
    let leads = client.leads().create(leads).await.unwrap();

    let found = |filter: LeadFilter| async {
        let found = client.leads().list().filter(filter).all().await.unwrap();
        found.iter().map(|lead| lead.id).collect::<Vec<_>>()
    };
    let homes = LeadFilter::new().custom_field(object, ["Вилла", "Студия"]);
    assert_eq!(found(homes.clone()).await, [leads[0].id, leads[1].id]);
    let large = homes.custom_field_range(area, 100..);
    assert_eq!(found(large).await, [leads[0].id]);
    let none = LeadFilter::new().custom_field_range(area, 1000..=2000);
    assert!(found(none).await.is_empty());
}

#[tokio::test]
async fn tags_are_replaced_as_a_set() {
    let (_emulator, client) = office().await;
    let leads = some_leads(&client, 2).await;
    let lead = leads[0];
    client
        .leads()
        .update(lead)
        .tags(["новый", "сайт"])
        .await
        .unwrap();
    // What was added before is forgotten, what comes after changes the set.
    client
        .leads()
        .update(lead)
        .tag("забытый")
        .replace_tags(["vip", "повтор"])
        .tag("Пхукет")
        .remove_tag("повтор")
        .await
        .unwrap();
    assert_eq!(tags_of(&client, lead).await, ["vip", "Пхукет"]);
    client
        .leads()
        .update_many([
            LeadPatch::new(lead).replace_tags(Vec::<String>::new()),
            LeadPatch::new(leads[1]).price(5),
        ])
        .await
        .unwrap();
    assert!(tags_of(&client, lead).await.is_empty());
}

#[tokio::test]
async fn tags_of_leads_are_renamed_and_painted() {
    let (_emulator, client) = office().await;
    let tags = client.tags(EntityType::Leads);
    let made = tags
        .create([NewTag::new("vip"), NewTag::new("сайт")])
        .await
        .unwrap();
    let one = tags
        .update(made[0].id)
        .name("VIP")
        .color("FF8F92")
        .await
        .unwrap();
    assert_eq!(
        (one.id, one.name.as_str(), one.color.as_deref()),
        (made[0].id, "VIP", Some("FF8F92"))
    );
    let many = tags
        .update_many([
            TagPatch::new(made[1].id).name("лендинг"),
            TagPatch::new(made[0].id).color("90CDB0"),
        ])
        .await
        .unwrap();
    assert_eq!(
        (many[0].name.as_str(), many[1].color.as_deref()),
        ("лендинг", Some("90CDB0"))
    );
    let contacts = client.tags(EntityType::Contacts);
    let refused = contacts.update(made[0].id).name("нет").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn many_cards_are_linked_in_one_request() {
    let (emulator, client) = office().await;
    let leads = some_leads(&client, 3).await;
    let contacts = client
        .contacts()
        .create(["Анна", "Борис"].map(|name| NewContact::new().name(name)))
        .await
        .unwrap();
    emulator.clear_requests();
    let links = client.links_of(EntityType::Leads);
    let made = links
        .link([
            (leads[0], NewLink::to(contacts[0].id)),
            (leads[1], NewLink::to(contacts[0].id)),
            (leads[1], NewLink::to(contacts[1].id).main()),
        ])
        .await
        .unwrap();
    assert_eq!(made.len(), 3);
    let read = links.list(leads.clone()).all().await.unwrap();
    let of = |lead: LeadId| {
        let links = read
            .iter()
            .filter(move |link| link.entity_id == Some(lead.get()));
        links.map(|link| link.to_entity_id).collect::<Vec<_>>()
    };
    assert_eq!(of(leads[0]), [contacts[0].id.get()]);
    assert_eq!(of(leads[1]).len(), 2);
    assert!(of(leads[2]).is_empty());
    links
        .unlink([
            (leads[0], NewLink::to(contacts[0].id)),
            (leads[1], NewLink::to(contacts[0].id)),
        ])
        .await
        .unwrap();
    assert_eq!(links.list(leads).all().await.unwrap().len(), 1);
    assert_eq!(emulator.requests().len(), 4);
    // Without ids amoCRM would refuse, and nothing need be asked.
    let none = links.list(Vec::<LeadId>::new()).all().await.unwrap();
    assert_eq!((none.len(), emulator.requests().len()), (0, 4));
}

#[tokio::test]
async fn a_robot_and_the_default_group_are_told_as_zero() {
    let (_emulator, client) = office().await;
    let robot = UserId::new(0);
    let lead = client
        .leads()
        .create([NewLead::new().created_by(robot).updated_by(robot)])
        .await
        .unwrap()[0]
        .id;
    let lead = client.leads().get(lead).await.unwrap().unwrap();
    assert_eq!(
        (lead.created_by, lead.updated_by),
        (Some(robot), Some(robot))
    );
    assert_eq!(lead.group_id.map(amocrm_sdk::UserGroupId::get), Some(0));
}

#[tokio::test]
async fn a_form_makes_an_incoming_lead() {
    let (_emulator, client) = office().await;
    let sent_at = Utc.timestamp_opt(1_769_000_000, 0).unwrap();
    let form = FormMetadata::new(
        "tour",
        "Запись на показ",
        "https://asia.example/tour",
        sent_at,
    )
    .ip("203.0.113.7");
    let lead = ComplexLead::new()
        .name("Заявка с формы")
        .field(&UTM_SOURCE, "google")
        .visitor_uid("2b7f")
        .form(form)
        .new_contact(NewContact::new().name("Анна"));
    let made = client.leads().create_complex([lead]).await.unwrap();
    let lead = client.leads().get(made[0].lead_id).await.unwrap().unwrap();
    let pipeline = client
        .pipelines()
        .get(lead.pipeline_id.unwrap())
        .await
        .unwrap()
        .unwrap();
    let stage = pipeline
        .statuses()
        .iter()
        .find(|status| Some(status.id) == lead.status_id)
        .unwrap();
    assert!(stage.is_unsorted());
}

#[tokio::test]
async fn a_field_moves_back_to_the_default_group_and_hides_at_stages() {
    let (_emulator, client) = office().await;
    let pipeline = client.pipelines().list().all().await.unwrap().remove(0);
    let stage = amocrm_sdk::custom_fields::Stage {
        pipeline_id: pipeline.id,
        status_id: pipeline.first_stage().unwrap().id,
    };
    let fields = client.custom_fields(FieldOwner::Leads);
    let group = fields
        .groups()
        .create([amocrm_sdk::custom_fields::NewCustomFieldGroup::new(
            "Объект",
            20,
        )])
        .await
        .unwrap()
        .remove(0);
    let field = fields
        .create([NewCustomField::new("Площадь", FieldType::Numeric)
            .group(&group.id)
            .hidden_at([stage])])
        .await
        .unwrap()
        .remove(0);
    assert_eq!(
        (field.group_id.as_deref(), field.hidden_statuses.as_slice()),
        (Some(group.id.as_str()), [stage].as_slice())
    );
    let moved = fields.update(field.id).clear_group().await.unwrap();
    assert_ne!(moved.group_id, field.group_id);
}
