//! What acts on its own: bots, widgets, website buttons, short links, and the talks that others begin.

use amocrm_emulator::NewChatChannel;
use amocrm_sdk::account::AccountWith;
use amocrm_sdk::bots::{BotFilter, BotFunctionality, Step};
use amocrm_sdk::chats::{ChatUser, MessageContent, NewMessage};
use amocrm_sdk::contacts::NewContact;
use amocrm_sdk::leads::NewLead;
use amocrm_sdk::quota::Limits;
use amocrm_sdk::short_links::NewShortLink;
use amocrm_sdk::talks::TalkFilter;
use amocrm_sdk::website_buttons::WebsiteButtonWith;
use amocrm_sdk::{Client, ContactId, ErrorKind};
use serde_json::Value;

use super::{Stage, control};

pub async fn bots(
    Stage {
        client, emulator, ..
    }: Stage,
) {
    let bots = client.bots();
    let greetings = BotFilter::new().functionalities([BotFunctionality::Greeting]);
    let greeting = bots.list().filter(greetings).all().await.unwrap()[0].id;
    let all = bots.list().all().await.unwrap();
    let choosing = all.iter().find(|bot| bot.id != greeting).unwrap();
    assert_eq!(choosing.type_functionality, Some(BotFunctionality::Regular));
    assert_eq!(
        bots.get(choosing.id).await.unwrap().unwrap().name,
        choosing.name
    );

    let lead = client
        .leads()
        .create([NewLead::new().name("Вилла")])
        .await
        .unwrap()[0]
        .id;
    let anna = client
        .contacts()
        .create([NewContact::new().name("Анна")])
        .await
        .unwrap()[0]
        .id;
    bots.run(choosing.id, lead).await.unwrap();
    bots.run_many([(greeting, anna.into()), (choosing.id, lead.into())])
        .await
        .unwrap();
    let runs = control(&emulator, "bots/runs", &Value::Null).await;
    let runs = runs
        .as_array()
        .or_else(|| runs["runs"].as_array())
        .unwrap()
        .clone();
    assert_eq!(runs.len(), 3);
    let waiting = runs.iter().find(|run| run["state"] == "waiting").unwrap();
    let resume = bots.resume(choosing.id, waiting["id"].as_u64().unwrap());
    let resume = resume
        .data("status", "success")
        .show("Спасибо")
        .show_buttons("Дальше?", ["Да", "Нет"])
        .goto(Step::Finish);
    resume.clone().await.unwrap();
    // Nobody waits there any more.
    let twice = resume.clone().marketing().await.unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::NotFound);
    bots.run(choosing.id, lead).await.unwrap();
    let runs = control(&emulator, "bots/runs", &Value::Null).await;
    let runs = runs
        .as_array()
        .or_else(|| runs["runs"].as_array())
        .unwrap()
        .clone();
    let waiting = runs.iter().rfind(|run| run["state"] == "waiting").unwrap();
    let marketing = bots
        .resume(choosing.id, waiting["id"].as_u64().unwrap())
        .marketing();
    marketing.show("Спасибо").await.unwrap();
    bots.stop(choosing.id, lead).await.unwrap();
}

pub async fn widgets(Stage { client, .. }: Stage) {
    let widgets = client.widgets();
    let known = widgets.list().all().await.unwrap();
    let widget = &known[0];
    assert!(!widget.is_active_in_account && widget.stars().is_some());
    let install = widgets
        .install(&widget.code)
        .setting("login", "acme")
        .setting("password", "s");
    assert!(install.await.unwrap().is_active_in_account);
    assert!(
        widgets
            .get(&widget.code)
            .await
            .unwrap()
            .unwrap()
            .is_active_in_account
    );
    widgets.uninstall(&widget.code).await.unwrap();
    assert!(
        !widgets
            .get(&widget.code)
            .await
            .unwrap()
            .unwrap()
            .is_active_in_account
    );
    assert_eq!(widgets.get("no such/widget").await.unwrap(), None);
}

pub async fn website_buttons(Stage { client, .. }: Stage) {
    let buttons = client.website_buttons();
    let pipeline = client.pipelines().list().all().await.unwrap()[0].id;
    let made = buttons
        .create(pipeline)
        .trusted_websites(["example.org"])
        .await
        .unwrap();
    assert_eq!(made.trusted_websites, ["example.org"]);
    let changed = buttons
        .update(made.source_id)
        .name("Кнопка магазина")
        .trust(["shop.example.org"]);
    assert_eq!(changed.await.unwrap().name, "Кнопка магазина");
    buttons.add_chat(made.source_id).await.unwrap();
    let read = buttons
        .get(made.source_id)
        .with([WebsiteButtonWith::Scripts])
        .await
        .unwrap();
    assert_eq!(read.unwrap().pipeline_id, Some(pipeline));
    assert_eq!(buttons.list().all().await.unwrap().len(), 1);
}

pub async fn short_links(Stage { client, .. }: Stage) {
    let anna = client
        .contacts()
        .create([NewContact::new().name("Анна")])
        .await
        .unwrap()[0]
        .id;
    let stranger = ContactId::new(1);
    let link = |contact| NewShortLink::new("https://example.org/plan", contact);
    let made = client
        .short_links()
        .create([stranger, anna].map(link))
        .await
        .unwrap();
    assert_eq!(made[0], None);
    let made = made[1].as_ref().unwrap();
    assert_eq!(made.contact(), Some(anna));
    assert!(made.url.starts_with("http"));
}

pub async fn talks(
    Stage {
        client, emulator, ..
    }: Stage,
) {
    let registered = emulator.register_channel(NewChatChannel::default());
    let channel = Client::builder("amojo.amocrm.ru")
        .transport(emulator.router())
        .limits(Limits::per_integration(2_000))
        .chat_channel(registered.id.as_str(), registered.secret.clone())
        .unwrap();
    let account = client.account().get().with([AccountWith::AmojoId]);
    let amojo_id = account.await.unwrap().amojo_id.unwrap();
    channel
        .connect(amojo_id.as_str(), "Мессенджер")
        .await
        .unwrap();
    let anna = ChatUser::new("u-1", "Анна");
    let question = NewMessage::new("m-1", "c-1", anna, MessageContent::text("Вилла свободна?"));
    channel
        .account(amojo_id.as_str())
        .send(question)
        .await
        .unwrap();

    let talks = client.talks();
    let open = talks
        .list()
        .filter(TalkFilter::new().in_work())
        .all()
        .await
        .unwrap();
    let [talk] = open.as_slice() else {
        panic!("one talk, not {open:?}")
    };
    assert!(talk.chat_id.is_some() && talk.is_in_work);
    let of_contact = TalkFilter::new().contacts(talk.contact_id);
    assert_eq!(
        talks.list().filter(of_contact).all().await.unwrap().len(),
        1
    );
    talks.close(talk.talk_id).force().await.unwrap();
    assert!(!talks.get(talk.talk_id).await.unwrap().unwrap().is_in_work);
    let twice = talks.close(talk.talk_id).await.unwrap_err();
    assert_eq!(twice.status(), Some(422));
}
