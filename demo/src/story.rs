//! The story, chapter by chapter.

mod burst;
mod connect;
mod course;
mod expiry;
mod gateway;
mod manager;
mod secrets;
mod start;
mod visitor;

use crate::crm::Crm;
use crate::house::House;
use crate::http::Http;
use crate::teller::{Broken, Teller};

/// What the chapters hand on.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    pub(crate) house: &'a House,
    pub(crate) http: Http,
    pub(crate) crm: Crm,
    /// The emulator's time when the story began, in unix seconds: makes this run's leads its own.
    pub(crate) began: i64,
}

/// Tells everything. The first step that does not hold ends it.
pub(crate) async fn tell(teller: &mut Teller, house: &mut House) -> Result<(), Broken> {
    let language = teller.language();
    teller.title(language.pick(
        "A lead travels from a landing page to amoCRM and back. Everything happens on this machine.",
        "Заявка проходит путь с лендинга в amoCRM и обратно. Всё происходит на этой машине.",
    ));

    teller.chapter(language.pick("Four programs start", "Запускаются четыре программы"));
    let stage = start::all(teller, house).await?;

    teller.chapter(language.pick(
        "An administrator connects the account",
        "Администратор подключает аккаунт",
    ));
    connect::consent(teller, &stage).await?;
    let pipeline = connect::provision(teller, &stage).await?;
    gateway::subscribed(teller, &stage).await?;

    teller.chapter(language.pick(
        "A visitor sends the form of a landing page",
        "Посетитель отправляет форму на лендинге",
    ));
    let lead = visitor::submit(teller, &stage, &pipeline).await?;

    teller.chapter(language.pick("A manager works in amoCRM", "Менеджер работает в amoCRM"));
    manager::moves_the_deal(teller, &stage, &pipeline, lead).await?;

    teller.chapter(language.pick(
        "A system behind the gateway is out of reach",
        "Система за шлюзом недоступна",
    ));
    gateway::waits(teller, &stage, &pipeline, lead).await?;

    teller.chapter(language.pick("The access token expires", "Токен доступа истекает"));
    expiry::survived(teller, &stage).await?;

    teller.chapter(language.pick(
        "Twenty visitors at the same moment",
        "Двадцать посетителей в один момент",
    ));
    burst::delivered(teller, &stage).await?;

    teller.chapter(language.pick("A student finishes lessons", "Студент проходит уроки"));
    course::finished(teller, &stage).await?;

    teller.chapter(language.pick("What stays on the disk", "Что остаётся на диске"));
    secrets::kept(teller, &stage).await
}

/// Only starts the programs and connects them, where that was not done before.
pub(crate) async fn prepare(teller: &mut Teller, house: &mut House) -> Result<(), Broken> {
    let stage = start::all(teller, house).await?;
    if !connect::is_connected(&stage).await {
        connect::consent(teller, &stage).await?;
    }
    connect::provision(teller, &stage).await?;
    gateway::subscribed(teller, &stage).await
}
