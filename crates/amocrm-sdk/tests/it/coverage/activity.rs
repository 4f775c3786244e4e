//! What happens around leads: notes, the feed, incoming leads, loss reasons, followers.

use amocrm_sdk::calls::{CallDirection, CallStatus, NewCall};
use amocrm_sdk::contacts::NewContact;
use amocrm_sdk::entity::Direction;
use amocrm_sdk::events::{EntityKind, EventFilter, EventType, EventValue, EventWith, Language};
use amocrm_sdk::fields::{ContactValue, PHONE};
use amocrm_sdk::leads::{Call, CallMetadata, FormMetadata, LOST, LeadWith, NewLead, WON};
use amocrm_sdk::links::EntityType;
use amocrm_sdk::loss_reasons::NewLossReason;
use amocrm_sdk::notes::{
    CallParams, NewNote, NoteFilter, NoteOrder, NoteParams, NotePatch, NoteType, NoteWith, Point,
};
use amocrm_sdk::unsorted::{
    NewUnsorted, SummaryFilter, UnsortedCategory, UnsortedDetails, UnsortedFilter,
};
use amocrm_sdk::{Client, ErrorKind, LeadId, UserId};
use chrono::{DateTime, Utc};
use serde_json::json;

use super::{Stage, control};

const PHONE_NUMBER: &str = "+79000000001";

async fn new_lead(client: &Client, name: &str) -> LeadId {
    let made = client.leads().create([NewLead::new().name(name)]).await;
    made.unwrap()[0].id
}

async fn me(client: &Client) -> UserId {
    let account = client.account().get().await.unwrap();
    account.current_user_id.unwrap()
}

pub async fn notes(Stage { client, .. }: Stage) {
    let (villa, studio) = (
        new_lead(&client, "Вилла").await,
        new_lead(&client, "Студия").await,
    );
    let of_villa = client.notes(villa);
    let here = Point {
        latitude: 43.5855,
        longitude: 39.7203,
    };
    let made = of_villa
        .create([
            NewNote::common("Перезвонить"),
            NewNote::geolocation("Здесь", "Сочи", here),
        ])
        .await
        .unwrap();
    let (text, place) = (made[0].id, made[1].id);
    of_villa.update(text).common("Перезвонили").await.unwrap();
    of_villa
        .update_many([NotePatch::new(text).common("Перезвонили дважды")])
        .await
        .unwrap();
    let read = of_villa.get(text).await.unwrap().unwrap();
    assert_eq!(read.text(), Some("Перезвонили дважды"));
    let places = of_villa
        .list()
        .filter(NoteFilter::new().types([NoteType::Geolocation]));
    let places = places.all().await.unwrap();
    let NoteParams::Geolocation { point, .. } = places[0].params() else {
        panic!("a place")
    };
    assert_eq!((places[0].id, point), (place, Some(here)));

    let all = client.notes_of(EntityType::Leads);
    let call = CallParams::new(PHONE_NUMBER)
        .duration(75)
        .uniq("c-1")
        .source("pbx")
        .link("https://pbx.example/1.mp3");
    let made = all
        .create([
            (studio, NewNote::call_in(call)),
            (villa, NewNote::service_message("Сайт", "Заявка")),
        ])
        .await
        .unwrap();
    let (call, message) = (made[0].id, made[1].id);
    all.update(message)
        .service_message("Сайт", "Заявка закрыта")
        .await
        .unwrap();
    all.update_many([NotePatch::new(message).service_message("Сайт", "Закрыта")])
        .await
        .unwrap();
    assert_eq!(
        all.get(message).await.unwrap().unwrap().text(),
        Some("Закрыта")
    );
    let of_studio = NoteFilter::new().entities([studio.get()]);
    let listed = all
        .list()
        .filter(of_studio)
        .order(NoteOrder::Id, Direction::Ascending)
        .all()
        .await
        .unwrap();
    assert_eq!(
        (listed[0].id, listed[0].entity_id),
        (call, Some(studio.get()))
    );
    let NoteParams::CallIn(params) = listed[0].params() else {
        panic!("a call")
    };
    assert_eq!(params.phone.as_deref(), Some(PHONE_NUMBER));

    let pinned = async || {
        let note = all.get(message).with([NoteWith::IsPinned]).await.unwrap();
        note.unwrap().is_pinned
    };
    all.pin(message).await.unwrap();
    assert_eq!(pinned().await, Some(true));
    all.unpin(message).await.unwrap();
    assert_eq!(pinned().await, Some(false));
}

pub async fn events(Stage { client, .. }: Stage) {
    let lead = new_lead(&client, "Вилла").await;
    client
        .leads()
        .update(lead)
        .status(WON)
        .tag("vip")
        .await
        .unwrap();
    client
        .notes(lead)
        .create([NewNote::common("Перезвонить")])
        .await
        .unwrap();
    let events = client.events();
    let of_lead = events
        .list()
        .with([EventWith::LeadName])
        .filter(EventFilter::new().of(lead));
    let told = of_lead.all().await.unwrap();
    let types: Vec<_> = told.iter().map(|event| &event.event_type).collect();
    for wanted in [
        EventType::LeadAdded,
        EventType::LeadStatusChanged,
        EventType::EntityTagAdded,
        EventType::CommonNoteAdded,
    ] {
        assert!(types.contains(&&wanted), "{wanted}: {types:?}");
    }
    assert!(
        told.iter()
            .all(|event| event.entity_type == EntityKind::Lead)
    );
    assert_eq!(told[0].entity().unwrap().name.as_deref(), Some("Вилла"));

    let pipeline = client
        .leads()
        .get(lead)
        .await
        .unwrap()
        .unwrap()
        .pipeline_id
        .unwrap();
    let won = EventFilter::new().of(lead).status_after(pipeline, WON);
    let moved = events.list().filter(won).all().await.unwrap();
    let [moved] = moved.as_slice() else {
        panic!("one move")
    };
    assert!(matches!(
        moved.value_after[..],
        [EventValue::LeadStatus { status_id, .. }] if status_id == WON
    ));
    let lost = EventFilter::new().status_after(pipeline, LOST);
    assert!(events.list().filter(lost).all().await.unwrap().is_empty());
    let read = events.get(&moved.id).await.unwrap().unwrap();
    assert_eq!(read.id, moved.id);

    let types = events.types().language(Language::Russian).await.unwrap();
    let added = types.iter().find(|info| info.key == EventType::LeadAdded);
    assert_eq!(added.unwrap().number, Some(1));
}

pub async fn calls(Stage { client, .. }: Stage) {
    let anna = NewContact::new()
        .name("Анна")
        .field(&PHONE, ContactValue::new(PHONE_NUMBER));
    let anna = client.contacts().create([anna]).await.unwrap()[0].id;
    let call = |phone: &str| {
        NewCall::new(CallDirection::Inbound, phone, "acme-pbx", 75).call_status(CallStatus::Talked)
    };
    // The last ten digits count.
    let calls = [call("+79990000000"), call("89000000001")];
    let outcomes = client.calls().create(calls).await.unwrap();
    let [Err(stranger), Ok(added)] = outcomes.as_slice() else {
        panic!("nobody has the first phone: {outcomes:?}")
    };
    assert!(stranger.title.is_some());
    assert_eq!(added.entity_type, Some(EntityKind::Contact));
    let note = client.notes(anna).get(added.id).await.unwrap().unwrap();
    assert_eq!(note.note_type, NoteType::CallIn);
    let NoteParams::CallIn(params) = note.params() else {
        panic!("a call")
    };
    assert_eq!(
        (params.duration, params.call_status),
        (Some(75), Some(CallStatus::Talked))
    );
    // Nobody at all: the status is 400, and each has its own error all the same.
    let nobody = client.calls().create([call("+79990000000")]).await.unwrap();
    assert!(nobody[0].is_err());

    let shown = client
        .calls()
        .popup(PHONE_NUMBER)
        .users([me(&client).await])
        .await
        .unwrap();
    assert_eq!(shown.items()[0].element_id, Some(anna.get()));
}

pub async fn unsorted(
    Stage {
        client, emulator, ..
    }: Stage,
) {
    let unsorted = client.unsorted();
    let now = DateTime::<Utc>::from_timestamp(emulator.now(), 0).unwrap();
    let form = |uid: &str| {
        let form = FormMetadata::new("f-1", "Заявка", "https://example.org/villa", now);
        let anna = NewContact::new()
            .name("Анна")
            .field(&PHONE, ContactValue::new(PHONE_NUMBER));
        NewUnsorted::new(uid, "Сайт", form)
            .lead(NewLead::new().name("Вилла"))
            .contact(anna)
    };
    let made = unsorted
        .create_forms([form("site-1"), form("site-2")])
        .await
        .unwrap();
    let (wanted, spam) = (&made[0], &made[1]);
    assert_ne!(wanted.uid, spam.uid);
    let call = CallMetadata::from(Call {
        uniq: "c-100".into(),
        phone: PHONE_NUMBER.into(),
        called_at: now,
        duration: std::time::Duration::from_secs(75),
        link: "https://pbx.example/rec/100.mp3".into(),
        service_code: "acme-pbx".into(),
    });
    let calls = unsorted
        .create_calls([NewUnsorted::new("pbx-100", "Звонок", call)])
        .await
        .unwrap();
    let called = unsorted.get(&calls[0].uid).await.unwrap().unwrap();
    let UnsortedDetails::Sip(call) = called.details() else {
        panic!("a call")
    };
    assert_eq!(call.duration, Some(75));
    let forms = UnsortedFilter::new().categories([UnsortedCategory::Forms]);
    assert_eq!(unsorted.list().filter(forms).all().await.unwrap().len(), 2);

    let user = me(&client).await;
    let lead = wanted.embedded.leads[0].id;
    let accepted = unsorted.accept(&wanted.uid).user(user).await.unwrap();
    assert_eq!(accepted.embedded.leads[0].id, lead);
    let kept = client
        .leads()
        .get(lead)
        .with([LeadWith::Contacts])
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (kept.name.as_str(), kept.embedded.contacts.len()),
        ("Вилла", 1)
    );
    let twice = unsorted.accept(&wanted.uid).await.unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::NotFound);
    unsorted.decline(&spam.uid).user(user).await.unwrap();

    let today = SummaryFilter::new().created_at(..=now + chrono::TimeDelta::days(1));
    let summary = unsorted.summary().filter(today).await.unwrap();
    assert_eq!((summary.accepted, summary.declined), (1, 1), "{summary:?}");
    assert_eq!(summary.of(&UnsortedCategory::Sip), 1);

    let letter = json!({"category": "chats", "source_uid": "chat-1", "source_name": "Бот", "metadata": {"from": "Анна"}});
    let letter = control(&emulator, "unsorted", &letter).await;
    let uid = letter["uid"].as_str().unwrap();
    let linked = unsorted.link(uid, lead).user(user).await.unwrap();
    assert_eq!(linked.embedded.leads[0].id, lead);
}

pub async fn loss_reasons(Stage { client, .. }: Stage) {
    let reasons = client.loss_reasons();
    let made = reasons
        .create([NewLossReason::new("Далеко от моря").sort(7)])
        .await
        .unwrap()[0]
        .id;
    reasons.update(made).name("Далеко").await.unwrap();
    let read = reasons.get(made).await.unwrap().unwrap();
    assert_eq!((read.name.as_str(), read.sort), ("Далеко", 7));
    let lead = new_lead(&client, "Вилла").await;
    client
        .leads()
        .update(lead)
        .status(LOST)
        .loss_reason(made)
        .await
        .unwrap();
    let lost = client
        .leads()
        .get(lead)
        .with([LeadWith::LossReason])
        .await
        .unwrap()
        .unwrap();
    assert_eq!(lost.embedded.loss_reason[0].id, made);
    assert!(
        reasons
            .list()
            .all()
            .await
            .unwrap()
            .iter()
            .any(|reason| reason.id == made)
    );
    reasons.delete(made).await.unwrap();
    assert_eq!(reasons.get(made).await.unwrap(), None);
}

pub async fn followers(
    Stage {
        client, emulator, ..
    }: Stage,
) {
    let lead = new_lead(&client, "Вилла").await;
    let subscriptions = client.subscriptions(lead);
    assert!(subscriptions.list().all().await.unwrap().is_empty());
    let user = me(&client).await;
    let follow = json!({"entity_type": "leads", "entity_id": lead, "users": [user], "groups": [7]});
    control(&emulator, "followers", &follow).await;
    let followers = subscriptions.list().all().await.unwrap();
    assert!(
        followers
            .iter()
            .any(|follower| follower.user() == Some(user))
    );
    assert!(followers.iter().any(|follower| follower.group().is_some()));
}
