//! Users and roles, sources, templates, currencies: what administrators and integrations set up.

use amocrm_sdk::chat_templates::{
    ChatTemplateFilter, ChatTemplatePatch, ChatTemplateType, ChatTemplateWith, NewChatTemplate,
    ReviewStatus, TemplateButton,
};
use amocrm_sdk::roles::{NewRole, RoleWith};
use amocrm_sdk::sources::{
    NewSource, SourceFilter, SourcePage, SourcePatch, SourceService, SourceServiceType,
};
use amocrm_sdk::users::{Access, EntityRights, NewUser, Rights, UserWith};
use amocrm_sdk::{ErrorKind, SourceId};

use super::Stage;

fn everything() -> Rights {
    let all = EntityRights::all(&Access::All);
    Rights::new()
        .leads(all.clone())
        .contacts(all.clone())
        .companies(all)
        .tasks(EntityRights::new().edit(Access::All).delete(Access::All))
        .mail_access(true)
        .catalog_access(true)
}

pub async fn users(Stage { client, .. }: Stage) {
    let roles = client.roles();
    let manager = roles.create([NewRole::new("Менеджер", everything())]);
    let manager = manager.await.unwrap()[0].id;
    let read = roles.get(manager).await.unwrap().unwrap();
    let less = Rights::from(&read.rights)
        .leads(EntityRights::all(&Access::Main).add(Access::All))
        .clear_status_rights();
    let changed = roles
        .update(manager)
        .name("Младший менеджер")
        .rights(less)
        .await
        .unwrap();
    assert_eq!(changed.rights.leads.view, Some(Access::Main));

    let users = client.users();
    let maria = NewUser::new("Мария Новикова", "maria@acme.example", "Invented1")
        .lang("ru")
        .rights(Rights::new().role_id(manager));
    let petr = NewUser::new("Пётр Иванов", "petr@acme.example", "Invented2").rights(everything());
    let made = users.create([maria, petr]).await.unwrap();
    let (maria, petr) = (made[0].id, made[1].id);
    users.deactivate([petr]).await.unwrap();
    let is_active = async |id| users.get(id).await.unwrap().unwrap().rights.is_active;
    assert!(!is_active(petr).await);
    users.activate([petr]).await.unwrap();
    assert!(is_active(petr).await);
    let read = users.get(maria).with([UserWith::Role, UserWith::Group]);
    let read = read.await.unwrap().unwrap();
    assert_eq!(read.embedded.roles[0].id, manager);
    let listed = roles.list().with([RoleWith::Users]).all().await.unwrap();
    let held = listed.iter().find(|role| role.id == manager).unwrap();
    assert_eq!(held.users().collect::<Vec<_>>(), [maria]);

    let weak = NewUser::new("Слабый пароль", "weak@acme.example", "weak").rights(everything());
    let refused = users.create([weak]).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Validation);
    let spare = roles.create([NewRole::new("Лишняя", everything())]);
    let spare = spare.await.unwrap()[0].id;
    roles.delete(spare).await.unwrap();
    assert!(roles.get(spare).await.unwrap().is_none());
}

pub async fn sources(Stage { client, .. }: Stage) {
    let sources = client.sources();
    assert!(sources.list().all().await.unwrap().is_empty());
    let page = SourcePage::new("79000000009", "Отдел продаж", "79000000009");
    let service = SourceService::new(SourceServiceType::Whatsapp, [page]).waba(true);
    let made = sources
        .create([
            NewSource::new("Сайт", "site").default(true),
            NewSource::new("WhatsApp", "wa-1").services([service]),
            NewSource::new("Старый сайт", "old"),
        ])
        .await
        .unwrap();
    let [site, whatsapp, old] = [made[0].id, made[1].id, made[2].id];
    let renamed = sources.update(site).name("Новый сайт");
    assert_eq!(renamed.await.unwrap().name, "Новый сайт");
    let patch = SourcePatch::new(old).name("Архив");
    assert_eq!(sources.update_many([patch]).await.unwrap()[0].id, old);
    let read = sources.get(whatsapp).await.unwrap().unwrap();
    assert_eq!(read.services[0].pages[0].name, "Отдел продаж");
    let one = SourceFilter::new().external_ids(["site".to_owned()]);
    let found = sources.list().filter(one).all().await.unwrap();
    assert_eq!(found.len(), 1);

    let refused = sources.delete_many([site, SourceId::new(5)]).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Validation);
    let errors = refused.validation_errors();
    assert_eq!((errors[0].item, errors[0].path.as_str()), (Some(1), "id"));
    sources.delete_many([site, old]).await.unwrap();
    sources.delete(whatsapp).await.unwrap();
    assert!(sources.get(site).await.unwrap().is_none());
}

pub async fn templates(Stage { client, .. }: Stage) {
    let templates = client.chat_templates();
    let made = templates
        .create([
            NewChatTemplate::new("Приветствие", "Здравствуйте, {{contact.name}}!")
                .external_id("hello-1")
                .editable(true),
            NewChatTemplate::new("Бронь", "Бронь готова")
                .template_type(ChatTemplateType::Waba)
                .buttons([TemplateButton::inline("Да")]),
        ])
        .await
        .unwrap();
    let (hello, booking) = (made[0].id, made[1].id);
    let renamed = templates.update(hello).name("Привет");
    assert_eq!(renamed.await.unwrap().name, "Привет");
    let patch = ChatTemplatePatch::new(booking).content("Бронь ждёт вас");
    templates.update_many([patch]).await.unwrap();
    let reviews = templates.send_on_review(booking).await.unwrap();
    let review = templates
        .update_review(booking, reviews[0].id, ReviewStatus::Rejected)
        .reject_reason("Слишком коротко");
    assert_eq!(review.await.unwrap().status, Some(ReviewStatus::Rejected));
    let read = templates.get(booking).with([ChatTemplateWith::Reviews]);
    let read = read.await.unwrap().unwrap();
    assert_eq!(read.content, "Бронь ждёт вас");
    assert_eq!(read.review_status, Some(ReviewStatus::Rejected));
    assert_eq!(
        read.reviews()[0].reject_reason.as_deref(),
        Some("Слишком коротко")
    );
    let one = ChatTemplateFilter::new().external_ids(["hello-1".to_owned()]);
    let found = templates.list().filter(one).all().await.unwrap();
    assert_eq!(found.len(), 1);

    // More than a page of them.
    let many = (0..60).map(|number| NewChatTemplate::new(format!("Ответ {number}"), "Да"));
    let many = templates.create(many).await.unwrap();
    assert_eq!(templates.list().all().await.unwrap().len(), 62);
    templates
        .delete_many(many.iter().map(|template| template.id))
        .await
        .unwrap();
    templates.delete(hello).await.unwrap();
    assert!(templates.get(hello).await.unwrap().is_none());

    let ruble = client.currencies().by_code("rub").await.unwrap();
    assert_eq!(ruble.unwrap().code, "RUB");
    assert_eq!(client.currencies().by_code("???").await.unwrap(), None);
    assert!(client.currencies().list().all().await.unwrap().len() > 1);
}
