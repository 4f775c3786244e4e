//! What the events tell.

use amocrm_sdk::fields::kind::{
    Birthday, Checkbox, Date, Items, LegalEntity, Multiselect, Numeric, Radiobutton, Select, Url,
};
use amocrm_sdk::fields::{EMAIL, Field, PHONE, POSITION, UTM_SOURCE};
use amocrm_sdk::webhook::{Event, Tree, UnsortedOutcome};
use amocrm_sdk::{LeadId, PipelineId, StatusId, UserId};

use super::fixture;

/// The only event of a fixture, taken apart.
macro_rules! only {
    ($name:literal, $variant:ident) => {
        match fixture($name).events.as_slice() {
            [Event::$variant(event)] => event.clone(),
            events => panic!("expected one event of another kind: {events:?}"),
        }
    };
}

#[test]
fn a_lead_comes_with_typed_custom_fields_in_every_layout() {
    let lead = only!("lead.add", Lead);
    assert_eq!(lead.name.as_deref(), Some("Chinese from zero"));
    assert_eq!(lead.price, Some(1500));
    assert_eq!(lead.tags.len(), 2);
    assert_eq!(lead.tags[0].name.as_deref(), Some("vip"));
    let fields = &lead.custom_fields;
    assert_eq!(fields.get(&UTM_SOURCE).unwrap().as_deref(), Some("google"));
    assert_eq!(
        fields
            .get(&Field::<Numeric>::id(502))
            .unwrap()
            .and_then(|number| number.as_i64()),
        Some(12)
    );
    assert_eq!(fields.get(&Field::<Checkbox>::id(503)).unwrap(), Some(true));
    let source = fields.get(&Field::<Select>::id(504)).unwrap().unwrap();
    assert_eq!(
        (source.text.as_deref(), source.enum_id),
        (Some("Site"), Some(611.into()))
    );
    assert_eq!(
        fields
            .get(&Field::<Multiselect>::id(505))
            .unwrap()
            .unwrap()
            .len(),
        2
    );
    // Not indexed on the wire.
    let level = fields.get(&Field::<Radiobutton>::id(506)).unwrap().unwrap();
    assert_eq!(
        (level.text.as_deref(), level.enum_id),
        (Some("HSK 2"), Some(631.into()))
    );
    // A bare value on the wire.
    assert_eq!(
        fields
            .get(&Field::<Date>::id(507))
            .unwrap()
            .unwrap()
            .date()
            .to_string(),
        "2026-03-08"
    );
    assert_eq!(
        fields
            .get(&Field::<Birthday>::id(508))
            .unwrap()
            .unwrap()
            .date()
            .to_string(),
        "1980-01-12"
    );
    assert_eq!(
        fields.get(&Field::<Url>::id(509)).unwrap().as_deref(),
        Some("https://school.example/?a=1&b=2")
    );
}

#[test]
fn a_moved_lead_tells_where_from() {
    let lead = only!("lead.status", Lead);
    assert_eq!(
        (lead.status_id, lead.old_status_id),
        (Some(StatusId::new(142)), Some(StatusId::new(60_000_002)))
    );
    assert_eq!(lead.updated_at.unwrap().timestamp(), 1_769_000_100);
    let robot = only!("lead.status.no_pipeline", Lead);
    assert_eq!(
        (robot.pipeline_id, robot.modified_user_id),
        (None, Some(UserId::new(0)))
    );
    let trigger = only!("lead.status.digital_pipeline", Lead);
    assert_eq!(trigger.old_pipeline_id, Some(PipelineId::new(7_000_001)));
}

#[test]
fn several_items_keep_their_order() {
    let payload = fixture("lead.update.several");
    let ids: Vec<String> = payload.events.iter().filter_map(Event::entity_id).collect();
    let expected: Vec<String> = (40_000_001..40_000_013).map(|id| id.to_string()).collect();
    assert_eq!(ids, expected);
    let ids = |name| {
        fixture(name)
            .events
            .iter()
            .filter_map(Event::entity_id)
            .collect::<Vec<_>>()
    };
    assert_eq!(ids("lead.delete.scalar"), ["40000001"]);
    assert_eq!(ids("lead.delete.scalars"), ["40000001", "40000002"]);
}

#[test]
fn companies_come_under_contacts_and_under_their_own_key() {
    let contact = only!("contact.add", Contact);
    assert_eq!(
        contact.linked_leads,
        [LeadId::new(40_000_001), LeadId::new(40_000_002)]
    );
    let phones = contact.custom_fields.get(&PHONE).unwrap().unwrap();
    assert_eq!((phones.len(), phones[1].enum_id), (2, Some(1203.into())));
    assert_eq!(
        contact.custom_fields.get(&EMAIL).unwrap().unwrap()[0].value,
        "ann@school.example"
    );
    assert_eq!(
        contact.custom_fields.get(&POSITION).unwrap().as_deref(),
        Some("Student")
    );
    let company = only!("company.add", Company);
    let requisites = company
        .custom_fields
        .get(&Field::<LegalEntity>::id(605))
        .unwrap()
        .unwrap();
    assert_eq!(
        (requisites[0].kpp.as_deref(), requisites[0].entity_type),
        (Some("770001001"), Some(2))
    );
    assert_eq!(
        only!("company.update.own_key", Company).id.get(),
        51_000_001
    );
    let note = only!("company.note", Company);
    assert_eq!(note.note.unwrap().text.as_deref(), Some("Call after six"));
}

#[test]
fn the_rest_of_the_entities_tell_their_own() {
    let task = only!("task.update.nested", Task);
    assert_eq!(
        (task.is_completed, task.action_close),
        (Some(true), Some(true))
    );
    assert_eq!(task.result.unwrap().text.as_deref(), Some("done"));
    assert_eq!(task.complete_before.unwrap().timestamp(), 1_769_115_540);
    let form = only!("unsorted.add.forms", Unsorted);
    assert_eq!(
        (form.category.as_deref(), form.outcome.clone()),
        (Some("forms"), None)
    );
    assert_eq!(form.leads, [LeadId::new(40_000_009)]);
    assert_eq!(
        form.raw
            .at(["source_data", "form_name"])
            .and_then(Tree::as_str),
        Some("Free lesson")
    );
    let declined = only!("unsorted.delete.decline", Unsorted);
    assert_eq!(declined.outcome, Some(UnsortedOutcome::Decline));
    assert_eq!(declined.leads, [LeadId::new(40_000_009)]);
    let element = only!("catalog_element.add", CatalogElement);
    let items = element
        .custom_fields
        .get(&Field::<Items>::code("ITEMS"))
        .unwrap()
        .unwrap();
    assert_eq!(
        items[0]
            .unit_price
            .as_ref()
            .map(ToString::to_string)
            .as_deref(),
        Some("495.25")
    );
    assert_eq!(items[0].product_id, Some(90_000_002.into()));
    assert_eq!(element.is_deleted, Some(false));
    let message = only!("message.add.attachment", Message);
    assert_eq!(message.attachment.unwrap().kind.as_deref(), Some("picture"));
    let talk = only!("talk.update.closed", Talk);
    assert_eq!((talk.is_in_work, talk.is_read), (Some(false), Some(true)));
    let widget = only!("widget.lead_status_changed", Widget);
    assert_eq!(
        (widget.event_type, widget.status_id),
        (Some(14), Some(StatusId::new(60_000_002)))
    );
    assert_eq!(
        widget
            .settings
            .unwrap()
            .get("template")
            .and_then(Tree::as_str),
        Some("welcome")
    );
    assert_eq!(only!("customer.note", Customer).id.get(), 52_000_001);
    assert_eq!(
        only!("template_review.add", TemplateReview).is_on_review,
        Some(true)
    );
}
