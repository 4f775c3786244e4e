//! Every entity of the SDK against the emulator, as a working day would use it.

use amocrm_emulator::{Emulator, Seed};
use amocrm_sdk::account::AccountWith;
use amocrm_sdk::companies::{CompanyWith, NewCompany};
use amocrm_sdk::contacts::{ContactFilter, ContactWith, NewContact};
use amocrm_sdk::custom_fields::{FieldOwner, NewCustomField, NewCustomFieldGroup, OptionInput};
use amocrm_sdk::entity::Direction;
use amocrm_sdk::fields::kind::{Numeric, Select};
use amocrm_sdk::fields::{ContactValue, EMAIL, Field, FieldType, PHONE, UTM_SOURCE};
use amocrm_sdk::leads::{
    ComplexLead, LOST, LeadFilter, LeadOrder, LeadPatch, LeadWith, NewLead, WON,
};
use amocrm_sdk::links::{EntityType, NewLink};
use amocrm_sdk::notes::{NewNote, NoteFilter, NoteType};
use amocrm_sdk::pipelines::{NewPipeline, NewStatus, StatusColor};
use amocrm_sdk::quota::Limits;
use amocrm_sdk::tags::{NewTag, TagFilter};
use amocrm_sdk::webhook::WebhookEvent;
use amocrm_sdk::{Client, ErrorKind, LeadId, StatusId};
use futures_util::TryStreamExt;

mod activity;
mod cards;
mod queries;
mod reading;
mod requests;

async fn office() -> (Emulator, Client) {
    let emulator = Emulator::builder()
        .seed(Seed::Empty)
        .rate_limit(None)
        .start()
        .await
        .unwrap();
    let client = Client::builder(&emulator.credentials().subdomain)
        .transport(emulator.router())
        .long_lived_token(emulator.long_lived_token())
        .limits(Limits::per_integration(2_000))
        .build()
        .unwrap();
    (emulator, client)
}

#[tokio::test]
async fn an_account_tells_itself_and_its_users() {
    let (_emulator, client) = office().await;
    let all = [
        AccountWith::AmojoId,
        AccountWith::Uuid,
        AccountWith::AmojoRights,
        AccountWith::UsersGroups,
        AccountWith::TaskTypes,
        AccountWith::Version,
        AccountWith::EntityNames,
        AccountWith::DatetimeSettings,
        AccountWith::DriveUrl,
        AccountWith::IsApiFilterEnabled,
        AccountWith::InvoicesSettings,
    ];
    let account = client.account().get().with(all).await.unwrap();
    assert!(account.amojo_id.is_some() && account.uuid.is_some() && account.drive_url.is_some());
    assert!(account.version.is_some() && account.is_api_filter_enabled.is_some());
    assert!(!account.embedded.task_types.is_empty() && !account.embedded.users_groups.is_empty());
    assert!(
        account
            .embedded
            .datetime_settings
            .unwrap()
            .timezone
            .is_some()
    );
    assert!(account.embedded.amojo_rights.is_some() && account.entity_names.is_some());

    let users = client.users().list().all().await.unwrap();
    let owner = users
        .iter()
        .find(|user| Some(user.id) == account.current_user_id)
        .unwrap();
    assert!(owner.rights.is_admin);
    let read = client.users().get(owner.id).await.unwrap().unwrap();
    let shown = format!("{read:?}");
    assert!(!shown.contains(read.email.as_deref().unwrap()), "{shown}");
}

#[tokio::test]
async fn a_pipeline_is_built_changed_and_removed() {
    let (_emulator, client) = office().await;
    let made = client
        .pipelines()
        .create([NewPipeline::new("Asia Deals")
            .status(NewStatus::new("Новый лид").color(StatusColor::Blue))
            .status(NewStatus::new("Презентация"))
            .won_name("Завершено")])
        .await
        .unwrap();
    let pipeline = &made[0];
    let names: Vec<_> = pipeline
        .statuses()
        .iter()
        .map(|status| status.name.as_str())
        .collect();
    assert_eq!(names.len(), 5);
    assert_eq!(&names[1..4], ["Новый лид", "Презентация", "Завершено"]);
    assert!(pipeline.statuses()[0].is_unsorted());
    assert_eq!(pipeline.first_stage().unwrap().name, "Новый лид");
    assert_eq!(
        (pipeline.statuses()[3].id, pipeline.statuses()[4].id),
        (WON, LOST)
    );

    let statuses = client.pipelines().statuses(pipeline.id);
    let added = statuses
        .create([NewStatus::new("Выбор"), NewStatus::new("Резерв")])
        .await
        .unwrap();
    assert_eq!(
        added
            .iter()
            .map(|status| status.name.as_str())
            .collect::<Vec<_>>(),
        ["Выбор", "Резерв"]
    );
    let renamed = statuses
        .update(added[0].id)
        .name("Выбор объекта")
        .await
        .unwrap();
    assert_eq!(renamed.name, "Выбор объекта");
    statuses.delete(added[1].id).await.unwrap();
    assert_eq!(statuses.list().all().await.unwrap().len(), 6);
    assert!(statuses.get(added[0].id).await.unwrap().is_some());

    let changed = client
        .pipelines()
        .update(pipeline.id)
        .name("Сделки в Азии")
        .unsorted(false)
        .await
        .unwrap();
    assert_eq!(
        (changed.name.as_str(), changed.is_unsorted_on),
        ("Сделки в Азии", false)
    );

    let leads = client
        .leads()
        .create([NewLead::new().pipeline(pipeline.id)])
        .await
        .unwrap();
    let refused = client.pipelines().delete(pipeline.id).await.unwrap_err();
    assert_eq!(
        (refused.kind(), refused.status()),
        (ErrorKind::Rejected, Some(422))
    );
    let other = client
        .pipelines()
        .list()
        .all()
        .await
        .unwrap()
        .into_iter()
        .find(|one| one.id != pipeline.id)
        .unwrap();
    client
        .leads()
        .update(leads[0].id)
        .stage(other.id, other.first_stage().unwrap().id)
        .await
        .unwrap();
    client.pipelines().delete(pipeline.id).await.unwrap();
    assert!(client.pipelines().get(pipeline.id).await.unwrap().is_none());
}

#[tokio::test]
async fn fields_are_defined_and_filled_and_cleared() {
    const OBJECT: Field<Select> = Field::code("OBJECT");
    const COMMISSION: Field<Numeric> = Field::code("COMMISSION");

    let (_emulator, client) = office().await;
    let fields = client.custom_fields(FieldOwner::Leads);
    let made = fields
        .create([
            NewCustomField::new("Объект", FieldType::Select)
                .code("OBJECT")
                .options(["Вилла", "Студия"]),
            NewCustomField::new("Комиссия", FieldType::Numeric).code("COMMISSION"),
        ])
        .await
        .unwrap();
    assert_eq!(made[0].enums.len(), 2);

    let lead = client
        .leads()
        .create([NewLead::new()
            .field(&OBJECT, "Вилла")
            .field(&COMMISSION, "12.5")])
        .await
        .unwrap()[0]
        .id;
    let read = client.leads().get(lead).await.unwrap().unwrap();
    assert_eq!(
        read.custom_fields_values
            .get(&OBJECT)
            .unwrap()
            .unwrap()
            .text
            .as_deref(),
        Some("Вилла")
    );
    assert_eq!(
        read.custom_fields_values
            .get(&COMMISSION)
            .unwrap()
            .unwrap()
            .to_string(),
        "12.5"
    );

    client
        .leads()
        .update(lead)
        .field(&OBJECT, "Студия")
        .clear_field(&COMMISSION)
        .await
        .unwrap();
    let read = client.leads().get(lead).await.unwrap().unwrap();
    assert_eq!(
        read.custom_fields_values
            .get(&OBJECT)
            .unwrap()
            .unwrap()
            .text
            .as_deref(),
        Some("Студия")
    );
    assert!(
        read.custom_fields_values
            .get(&COMMISSION)
            .unwrap()
            .is_none()
    );

    let unknown = client
        .leads()
        .update(lead)
        .field(&OBJECT, "Замок")
        .await
        .unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::Validation);
    assert_eq!(unknown.validation_errors()[0].code, "NotSupportedChoice");
    let wrong = client
        .leads()
        .update(lead)
        .field(&COMMISSION, "дорого")
        .await
        .unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::InvalidInput);
    assert!(wrong.to_string().contains("COMMISSION"), "{wrong}");

    let options = made[0]
        .enums
        .iter()
        .map(OptionInput::keep)
        .chain([OptionInput::new("Замок")]);
    let grown = fields.update(made[0].id).options(options).await.unwrap();
    assert_eq!(grown.enums.len(), 3);
    assert_eq!(
        grown.option("Вилла").unwrap().id,
        made[0].option("Вилла").unwrap().id
    );

    let groups = fields.groups();
    let group = groups
        .create([NewCustomFieldGroup::new("Объект", 20)])
        .await
        .unwrap()
        .remove(0);
    let filled = groups.update(&group.id).fields([made[0].id]).await.unwrap();
    assert_eq!(filled.fields, [made[0].id]);
    assert!(
        groups
            .list()
            .all()
            .await
            .unwrap()
            .iter()
            .any(|one| one.id == "statistic")
    );
    groups.delete(&group.id).await.unwrap();
    fields.delete(made[1].id).await.unwrap();
    assert!(fields.get(made[1].id).await.unwrap().is_none());
}

#[tokio::test]
async fn a_landing_page_lead_is_one_request_and_reads_back_whole() {
    let (emulator, client) = office().await;
    emulator.clear_requests();
    let anna = NewContact::new()
        .first_name("Анна")
        .last_name("Петрова")
        .field(&PHONE, [ContactValue::new("+79001234567").mob()])
        .field(&EMAIL, "anna@example.com");
    let lead = ComplexLead::new()
        .name("Заявка с сайта")
        .price(125_000)
        .field(&UTM_SOURCE, "google")
        .tag("сайт")
        .new_contact(anna)
        .new_company(NewCompany::new().name("ООО Пример"));
    let created = client
        .leads()
        .create_complex([lead])
        .await
        .unwrap()
        .remove(0);
    assert_eq!(emulator.requests().len(), 1);

    let lead = client
        .leads()
        .get(created.lead_id)
        .with([LeadWith::Contacts])
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        lead.custom_fields_values
            .get(&UTM_SOURCE)
            .unwrap()
            .as_deref(),
        Some("google")
    );
    assert_eq!(
        (lead.price, lead.main_contact()),
        (Some(125_000), created.contact_id)
    );
    assert_eq!(lead.embedded.tags[0].name, "сайт");
    let contact = client
        .contacts()
        .get(created.contact_id.unwrap())
        .with([ContactWith::Leads])
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (contact.first_name.as_str(), contact.embedded.leads[0].id),
        ("Анна", created.lead_id)
    );
    let company = client
        .companies()
        .get(created.company_id.unwrap())
        .with([CompanyWith::Contacts])
        .await
        .unwrap()
        .unwrap();
    assert_eq!(company.embedded.contacts[0].id, contact.id);

    // A second lead of the same person takes the contact by id.
    let again = ComplexLead::new().name("Ещё одна").contact(contact.id);
    let again = client
        .leads()
        .create_complex([again])
        .await
        .unwrap()
        .remove(0);
    assert_eq!(again.contact_id, Some(contact.id));

    let found = client
        .contacts()
        .list()
        .search("9001234567")
        .all()
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
}

#[tokio::test]
async fn leads_travel_in_batches_and_come_back_in_pages() {
    let (emulator, client) = office().await;
    emulator.clear_requests();
    let items = (0..600).map(|n| NewLead::new().name(format!("Заявка {n}")).price(n));
    let created = client.leads().create(items).await.unwrap();
    assert_eq!((created.len(), emulator.requests().len()), (600, 3));

    let read: Vec<_> = client
        .leads()
        .list()
        .order(LeadOrder::Id, Direction::Descending)
        .stream()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(read.len(), 600);
    assert!(
        read.iter()
            .rev()
            .zip(&created)
            .all(|(lead, made)| lead.id == made.id)
    );
    assert_eq!(
        emulator.requests().len(),
        6,
        "three full pages and no look past the end"
    );

    let some = client
        .leads()
        .list()
        .filter(LeadFilter::new().price(100..110))
        .all()
        .await
        .unwrap();
    assert_eq!(some.len(), 10);
    let ids = created.iter().take(3).map(|lead| lead.id);
    assert_eq!(
        client
            .leads()
            .list()
            .filter(LeadFilter::new().ids(ids))
            .all()
            .await
            .unwrap()
            .len(),
        3
    );
    let nothing = client
        .leads()
        .list()
        .filter(LeadFilter::new().names(["нет такой".to_owned()]))
        .all()
        .await
        .unwrap();
    assert!(nothing.is_empty(), "204 is an empty list");
    assert!(
        client.leads().get(LeadId::new(1)).await.unwrap().is_none(),
        "204 is None"
    );

    let patches = created
        .iter()
        .take(300)
        .map(|lead| LeadPatch::new(lead.id).status(WON).tag("закрыта"));
    let updated = client.leads().update_many(patches).await.unwrap();
    assert_eq!(updated.len(), 300);
    assert!(
        updated
            .iter()
            .zip(&created)
            .all(|(now, before)| now.id == before.id && now.updated_at.is_some())
    );
    let pipeline = read[0].pipeline_id.unwrap();
    let won = client
        .leads()
        .list()
        .filter(LeadFilter::new().status(pipeline, WON))
        .all()
        .await
        .unwrap();
    assert_eq!(won.len(), 300);
    assert!(won.iter().all(|lead| lead.closed_at.is_some()));

    // One bad item refuses its whole request, and is named.
    let mut patches: Vec<_> = created
        .iter()
        .take(3)
        .map(|lead| LeadPatch::new(lead.id).price(1))
        .collect();
    patches[1] = LeadPatch::new(created[1].id).status(StatusId::new(77));
    let error = client.leads().update_many(patches).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.validation_errors()[0].item),
        (ErrorKind::Validation, Some(1))
    );
    assert_eq!(error.validation_errors()[0].path, "status_id");
}

#[tokio::test]
async fn cards_are_linked_tagged_and_annotated() {
    let (_emulator, client) = office().await;
    let lead = client
        .leads()
        .create([NewLead::new().name("Сделка")])
        .await
        .unwrap()[0]
        .id;
    let contacts = client
        .contacts()
        .create(["Анна", "Борис"].map(|name| NewContact::new().name(name)))
        .await
        .unwrap();
    let company = client
        .companies()
        .create([NewCompany::new().name("ООО")])
        .await
        .unwrap()[0]
        .id;

    let links = client.links(lead);
    links
        .link([
            NewLink::to(contacts[0].id),
            NewLink::to(contacts[1].id).main(),
            NewLink::to(company),
        ])
        .await
        .unwrap();
    let linked = links.list().all().await.unwrap();
    let main = linked
        .iter()
        .find(|link| link.metadata.main_contact == Some(true))
        .unwrap();
    assert_eq!((linked.len(), main.to_entity_id), (3, contacts[1].id.get()));
    links.unlink([NewLink::to(contacts[0].id)]).await.unwrap();
    assert_eq!(links.list().all().await.unwrap().len(), 2);

    let tags = client.tags(EntityType::Leads);
    let made = tags
        .create([NewTag::new("vip").color("FF8F92"), NewTag::new("сайт")])
        .await
        .unwrap();
    client
        .leads()
        .update(lead)
        .tag(made[0].id)
        .tag("новый")
        .await
        .unwrap();
    client
        .leads()
        .update(lead)
        .remove_tag("новый")
        .await
        .unwrap();
    let read = client.leads().get(lead).await.unwrap().unwrap();
    assert_eq!(
        read.embedded
            .tags
            .iter()
            .map(|tag| tag.name.as_str())
            .collect::<Vec<_>>(),
        ["vip"]
    );
    assert_eq!(
        tags.list()
            .filter(TagFilter::new().name("сайт".to_owned()))
            .all()
            .await
            .unwrap()
            .len(),
        1
    );

    let notes = client.notes(lead);
    let written = notes
        .create([
            NewNote::common("Перезвонить завтра"),
            NewNote::service_message("Сайт", "Заявка с формы"),
        ])
        .await
        .unwrap();
    notes
        .update(written[0].id)
        .common("Перезвонить сегодня")
        .await
        .unwrap();
    let common = notes
        .list()
        .filter(NoteFilter::new().types([NoteType::Common]))
        .all()
        .await
        .unwrap();
    assert_eq!(
        (common.len(), common[0].text()),
        (1, Some("Перезвонить сегодня"))
    );
    assert_eq!(
        notes.get(written[1].id).await.unwrap().unwrap().note_type,
        NoteType::ServiceMessage
    );
}

#[tokio::test]
async fn contacts_and_companies_are_found_and_changed() {
    let (_emulator, client) = office().await;
    let made = client
        .contacts()
        .create((0..3).map(|n| NewContact::new().name(format!("Контакт {n}"))))
        .await
        .unwrap();
    client
        .contacts()
        .update(made[0].id)
        .field(&PHONE, "+79000000001")
        .last_name("Иванов")
        .await
        .unwrap();
    let ids = made.iter().map(|contact| contact.id);
    let read = client
        .contacts()
        .list()
        .filter(ContactFilter::new().ids(ids))
        .all()
        .await
        .unwrap();
    assert_eq!(read.len(), 3);
    let phones = client
        .contacts()
        .get(made[0].id)
        .await
        .unwrap()
        .unwrap()
        .custom_fields_values
        .get(&PHONE)
        .unwrap()
        .unwrap();
    assert_eq!(phones[0].value, "+79000000001");

    let company = client
        .companies()
        .create([NewCompany::new().name("ООО Первая")])
        .await
        .unwrap()[0]
        .id;
    client
        .companies()
        .update(company)
        .name("ООО Вторая")
        .await
        .unwrap();
    assert_eq!(
        client.companies().list().all().await.unwrap()[0].name,
        "ООО Вторая"
    );
}

#[tokio::test]
async fn a_webhook_is_subscribed_once_per_address() {
    let (_emulator, client) = office().await;
    let address = "https://gw.example/amo/secret-path";
    let first = client
        .webhooks()
        .subscribe(address, [WebhookEvent::AddLead])
        .await
        .unwrap();
    let second = client
        .webhooks()
        .subscribe(
            address,
            [WebhookEvent::StatusLead, WebhookEvent::DeleteLead],
        )
        .await
        .unwrap();
    assert_eq!(first.id, second.id);
    let all = client.webhooks().list().all().await.unwrap();
    assert_eq!((all.len(), all[0].settings.len()), (1, 2));
    assert!(!format!("{:?}", all[0]).contains("secret-path"));
    assert!(client.webhooks().unsubscribe(address).await.unwrap());
    assert!(!client.webhooks().unsubscribe(address).await.unwrap());
    assert!(client.webhooks().list().all().await.unwrap().is_empty());
}
