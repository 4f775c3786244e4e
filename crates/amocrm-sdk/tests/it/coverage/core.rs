//! The account, cards, pipelines, tasks, and what defines them.

use amocrm_sdk::companies::{CompanyPatch, NewCompany};
use amocrm_sdk::contacts::{ContactPatch, NewContact};
use amocrm_sdk::custom_fields::{
    CustomFieldPatch, FieldOwner, NewCustomField, NewCustomFieldGroup,
};
use amocrm_sdk::fields::FieldType;
use amocrm_sdk::leads::{ComplexLead, LeadPatch, NewLead};
use amocrm_sdk::links::{EntityType, NewLink};
use amocrm_sdk::pipelines::{NewPipeline, NewStatus};
use amocrm_sdk::tags::{NewTag, TagPatch};
use amocrm_sdk::tasks::{FOLLOW_UP, MEETING, NewTask, TaskFilter, TaskPatch};
use amocrm_sdk::webhook::WebhookEvent;
use chrono::{TimeDelta, TimeZone, Utc};

use super::Stage;

pub async fn account(Stage { client, .. }: Stage) {
    let account = client.account().get().await.unwrap();
    let me = account.current_user_id.unwrap();
    assert!(
        client
            .users()
            .list()
            .all()
            .await
            .unwrap()
            .iter()
            .any(|user| user.id == me)
    );
    assert_eq!(client.users().get(me).await.unwrap().unwrap().id, me);
}

pub async fn cards(Stage { client, .. }: Stage) {
    let (leads, contacts, companies) = (client.leads(), client.contacts(), client.companies());
    let lead = leads.create([NewLead::new().name("Вилла")]).await.unwrap()[0].id;
    let anna = NewContact::new().name("Анна");
    let complex = ComplexLead::new().name("Студия").new_contact(anna);
    let complex = leads.create_complex([complex]).await.unwrap()[0];
    leads.update(lead).price(10).await.unwrap();
    leads
        .update_many([LeadPatch::new(complex.lead_id).price(20)])
        .await
        .unwrap();
    assert_eq!(leads.get(lead).await.unwrap().unwrap().price, Some(10));
    assert_eq!(leads.list().all().await.unwrap().len(), 2);

    let boris = contacts
        .create([NewContact::new().name("Борис")])
        .await
        .unwrap()[0]
        .id;
    contacts.update(boris).name("Борис Иванов").await.unwrap();
    let renamed = ContactPatch::new(complex.contact_id.unwrap()).name("Анна Петрова");
    contacts.update_many([renamed]).await.unwrap();
    assert_eq!(
        contacts.get(boris).await.unwrap().unwrap().name,
        "Борис Иванов"
    );
    assert_eq!(contacts.list().all().await.unwrap().len(), 2);

    let company = companies
        .create([NewCompany::new().name("ООО")])
        .await
        .unwrap()[0]
        .id;
    companies.update(company).name("ООО Пример").await.unwrap();
    companies
        .update_many([CompanyPatch::new(company).tag("опт")])
        .await
        .unwrap();
    assert_eq!(
        companies
            .get(company)
            .await
            .unwrap()
            .unwrap()
            .embedded
            .tags
            .len(),
        1
    );
    assert_eq!(companies.list().all().await.unwrap().len(), 1);

    let links = client.links(lead);
    links.link([NewLink::to(boris)]).await.unwrap();
    assert_eq!(links.list().all().await.unwrap().len(), 1);
    links.unlink([NewLink::to(boris)]).await.unwrap();
    let of_leads = client.links_of(EntityType::Leads);
    of_leads.link([(lead, NewLink::to(company))]).await.unwrap();
    assert_eq!(of_leads.list([lead]).all().await.unwrap().len(), 1);
    of_leads
        .unlink([(lead, NewLink::to(company))])
        .await
        .unwrap();
    assert!(links.list().all().await.unwrap().is_empty());
}

pub async fn definitions(Stage { client, .. }: Stage) {
    let fields = client.custom_fields(FieldOwner::Leads);
    let object = NewCustomField::new("Объект", FieldType::Text);
    let object = fields.create([object]).await.unwrap()[0].id;
    fields
        .update(object)
        .name("Объект недвижимости")
        .await
        .unwrap();
    fields
        .update_many([CustomFieldPatch::new(object).name("Дом")])
        .await
        .unwrap();
    assert_eq!(fields.get(object).await.unwrap().unwrap().name, "Дом");
    assert!(
        fields
            .list()
            .all()
            .await
            .unwrap()
            .iter()
            .any(|field| field.id == object)
    );

    let groups = fields.groups();
    let group = groups
        .create([NewCustomFieldGroup::new("Объект", 20)])
        .await
        .unwrap()
        .remove(0);
    let filled = groups.update(&group.id).fields([object]).await.unwrap();
    assert_eq!(filled.fields, [object]);
    assert!(groups.get(&group.id).await.unwrap().is_some());
    assert!(groups.list().all().await.unwrap().len() > 1);
    groups.delete(&group.id).await.unwrap();
    fields.delete(object).await.unwrap();
    assert!(fields.get(object).await.unwrap().is_none());

    let tags = client.tags(EntityType::Leads);
    let made = tags
        .create([NewTag::new("сайт"), NewTag::new("опт")])
        .await
        .unwrap();
    tags.update(made[0].id).name("лендинг").await.unwrap();
    tags.update_many([TagPatch::new(made[1].id).name("розница")])
        .await
        .unwrap();
    let mut names: Vec<_> = tags
        .list()
        .all()
        .await
        .unwrap()
        .into_iter()
        .map(|tag| tag.name)
        .collect();
    names.sort();
    assert_eq!(names, ["лендинг", "розница"]);
}

pub async fn pipelines(Stage { client, .. }: Stage) {
    let pipelines = client.pipelines();
    let asia = NewPipeline::new("Asia Deals").status(NewStatus::new("Новый лид"));
    let asia = pipelines.create([asia]).await.unwrap().remove(0).id;
    let statuses = pipelines.statuses(asia);
    let stage = statuses
        .create([NewStatus::new("Показ")])
        .await
        .unwrap()
        .remove(0)
        .id;
    statuses.update(stage).name("Презентация").await.unwrap();
    assert_eq!(
        statuses.get(stage).await.unwrap().unwrap().name,
        "Презентация"
    );
    assert_eq!(statuses.list().all().await.unwrap().len(), 5);
    statuses.delete(stage).await.unwrap();
    pipelines.update(asia).name("Азия").sort(500).await.unwrap();
    assert_eq!(pipelines.get(asia).await.unwrap().unwrap().name, "Азия");
    assert_eq!(pipelines.list().all().await.unwrap().len(), 2);
    pipelines.delete(asia).await.unwrap();
    assert!(pipelines.get(asia).await.unwrap().is_none());
}

pub async fn tasks(
    Stage {
        client, emulator, ..
    }: Stage,
) {
    let tasks = client.tasks();
    let now = Utc.timestamp_opt(emulator.now(), 0).unwrap();
    let lead = client
        .leads()
        .create([NewLead::new().name("Вилла")])
        .await
        .unwrap()[0]
        .id;
    let call = NewTask::new("Позвонить", now + TimeDelta::hours(1))
        .task_type_id(FOLLOW_UP)
        .of(lead);
    let meet = NewTask::new("Встретиться", now + TimeDelta::days(1)).task_type_id(MEETING);
    let made = tasks.create([call, meet]).await.unwrap();
    let (call, meet) = (made[0].id, made[1].id);

    let of_lead = TaskFilter::new().of(lead).completed(false);
    let open = tasks.list().filter(of_lead).all().await.unwrap();
    assert_eq!(open.iter().map(|task| task.id).collect::<Vec<_>>(), [call]);
    assert_eq!(open[0].entity(), Some(lead.into()));
    assert_eq!(open[0].result(), None, "an empty result is [] on the wire");

    tasks.complete(call, "Дозвонились").await.unwrap();
    let done = tasks.get(call).await.unwrap().unwrap();
    assert_eq!(
        (done.is_completed, done.result()),
        (true, Some("Дозвонились"))
    );
    tasks
        .update_many([TaskPatch::new(meet).duration(1_800)])
        .await
        .unwrap();
    let meetings = tasks.list().filter(TaskFilter::new().types([MEETING]));
    assert_eq!(meetings.all().await.unwrap()[0].duration, 1_800);
}

pub async fn webhooks(Stage { client, .. }: Stage) {
    let webhooks = client.webhooks();
    let url = "https://hooks.example.com/amocrm/secret";
    webhooks
        .subscribe(url, [WebhookEvent::AddLead])
        .await
        .unwrap();
    assert_eq!(webhooks.list().all().await.unwrap().len(), 1);
    webhooks.unsubscribe(url).await.unwrap();
    assert!(webhooks.list().all().await.unwrap().is_empty());
}
