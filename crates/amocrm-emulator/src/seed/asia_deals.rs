//! A sales department that sells real estate, after a few days of work: the account of the setup guide for "Asia Deals CRM
//! Integration", its pipeline and custom fields included.

use serde_json::json;

use super::{ADMIN_ID, DAY, add_pipeline, add_user};
use crate::world::{
    Account, Counters, EntityType, EnumOption, FieldDefinition, FieldValue, LeadState, Note,
    Record, STATUS_WON, TaskType,
};

const FIRST_MANAGER_ID: u64 = 9_000_002;
const SECOND_MANAGER_ID: u64 = 9_000_003;

const PIPELINE: &str = "Asia Deals";
/// The guide's seventh stage, "Завершено", is amoCRM's own 142.
const STAGES: [(&str, &str); 6] = [
    ("Новый лид", "#99ccff"),
    ("Первичный контакт", "#d6eaff"),
    ("Презентация", "#ffff99"),
    ("Выбор объекта", "#ffcc66"),
    ("Резервирование", "#ffcccc"),
    ("Сделка", "#deff81"),
];
const LAST_STAGE: &str = "Завершено";

const OBJECT_PRICE: &str = "Стоимость объекта";
const COMMISSION: &str = "Комиссия";
const OBJECT: &str = "Объект";
const PAYMENT: &str = "Статус оплаты";
/// Fields of deals: name, type, options. The UTM marks are there besides amoCRM's own tracking fields.
const FIELDS: [(&str, &str, &[&str]); 9] = [
    ("UTM Source", "text", &[]),
    ("UTM Medium", "text", &[]),
    ("UTM Campaign", "text", &[]),
    ("UTM Content", "text", &[]),
    ("UTM Term", "text", &[]),
    (OBJECT_PRICE, "numeric", &[]),
    (COMMISSION, "numeric", &[]),
    (
        OBJECT,
        "select",
        &["Вилла", "Апартаменты", "Таунхаус", "Участок"],
    ),
    (
        PAYMENT,
        "select",
        &["Не оплачено", "Депозит внесён", "Оплачено"],
    ),
];

const COMPANIES: [(&str, &str); 2] = [
    ("Андаман Девелопмент", "andaman.example"),
    ("ООО «Восточный берег»", "bereg.example"),
];

struct Person {
    first: &'static str,
    last: &'static str,
    phone: &'static str,
    email: &'static str,
    company: Option<usize>,
}

const PEOPLE: [Person; 4] = [
    Person {
        first: "Анна",
        last: "Петрова",
        phone: "+79001110001",
        email: "anna.petrova@example.org",
        company: Some(0),
    },
    Person {
        first: "Данияр",
        last: "Сериков",
        phone: "+77011110002",
        email: "daniyar@example.org",
        company: Some(1),
    },
    Person {
        first: "Ольга",
        last: "Ким",
        phone: "+79261110003",
        email: "olga.kim@example.org",
        company: None,
    },
    Person {
        first: "Ли",
        last: "Вэй",
        phone: "+8613811110004",
        email: "li.wei@example.org",
        company: None,
    },
];

struct Deal {
    name: &'static str,
    /// The account's commission; the budget of the deal.
    price: i64,
    object: &'static str,
    object_price: &'static str,
    payment: &'static str,
    /// Index of the pipeline's own stage; without one it is won.
    stage: Option<usize>,
    person: usize,
    company: Option<usize>,
    tag: &'static str,
}

const DEALS: [Deal; 5] = [
    Deal {
        name: "Вилла на Пхукете",
        price: 450_000,
        object: "Вилла",
        object_price: "15000000",
        payment: "Не оплачено",
        stage: Some(2),
        person: 0,
        company: Some(0),
        tag: "сайт",
    },
    Deal {
        name: "Апартаменты в Паттайе",
        price: 1_280_000,
        object: "Апартаменты",
        object_price: "32000000",
        payment: "Депозит внесён",
        stage: Some(4),
        person: 1,
        company: Some(1),
        tag: "рекомендация",
    },
    Deal {
        name: "Консультация по ипотеке",
        price: 30_000,
        object: "Апартаменты",
        object_price: "6000000",
        payment: "Не оплачено",
        stage: Some(0),
        person: 2,
        company: None,
        tag: "сайт",
    },
    Deal {
        name: "Аренда студии на Бали",
        price: 12_500,
        object: "Апартаменты",
        object_price: "250000",
        payment: "Оплачено",
        stage: None,
        person: 3,
        company: None,
        tag: "рекомендация",
    },
    Deal {
        name: "Участок под застройку",
        price: 95_000,
        object: "Участок",
        object_price: "3100000",
        payment: "Не оплачено",
        stage: Some(0),
        person: 2,
        company: Some(0),
        tag: "сайт",
    },
];

/// Fills a new account.
pub(super) fn fill(account: &mut Account, now: i64) {
    add_user(account, FIRST_MANAGER_ID, "Мария Соколова", "maria");
    add_user(account, SECOND_MANAGER_ID, "Тимур Ахметов", "timur");
    let pipeline = add_pipeline(account, PIPELINE, &STAGES);
    if let Some(pipeline) = account.pipeline_mut(pipeline)
        && let Some(won) = pipeline
            .statuses
            .iter_mut()
            .find(|status| status.id == STATUS_WON)
    {
        LAST_STAGE.clone_into(&mut won.name);
    }
    account.task_types.push(TaskType {
        id: 2_300_001,
        name: "Показ объекта".to_owned(),
        color: Some("#98cbff".to_owned()),
        icon_id: Some(5),
        code: None,
    });
    for (sort, (name, kind, options)) in (501..).zip(FIELDS) {
        add_field(account, sort, name, kind, options);
    }
    let companies = COMPANIES.map(|(name, site)| add_company(account, name, site, now - 10 * DAY));
    let mut day = now - 10 * DAY;
    let people = PEOPLE.map(|person| {
        day += DAY;
        let id = add_contact(account, &person, day);
        if let Some(company) = person.company {
            let company = (EntityType::Companies, companies[company]);
            account.links.link((EntityType::Contacts, id), company);
        }
        id
    });
    let mut day = now - 7 * DAY;
    let deals = DEALS.map(|deal| {
        day += DAY;
        let id = add_lead(account, pipeline, &deal, day);
        let lead = (EntityType::Leads, id);
        account
            .links
            .link(lead, (EntityType::Contacts, people[deal.person]));
        if let Some(company) = deal.company {
            account
                .links
                .link(lead, (EntityType::Companies, companies[company]));
        }
        id
    });
    add_note(
        account,
        deals[0],
        "Клиент просит прислать планировки до пятницы",
        now - 2 * DAY,
    );
}

fn add_field(account: &mut Account, sort: i64, name: &str, kind: &str, options: &[&str]) {
    let counters = &mut account.counters;
    let id = Counters::take(&mut counters.field);
    let mut field = FieldDefinition::new(id, EntityType::Leads, kind, name);
    field.sort = sort;
    if !options.is_empty() {
        let options = (1..).zip(options).map(|(sort, value)| EnumOption {
            id: Counters::take(&mut counters.option),
            value: (*value).to_owned(),
            sort,
            code: None,
            parent_id: None,
        });
        field.enums = Some(options.collect());
    }
    let fields = account.fields.entry(EntityType::Leads.into()).or_default();
    fields.insert(id, field);
}

fn add_company(account: &mut Account, name: &str, site: &str, at: i64) -> u64 {
    let id = account.counters.record(EntityType::Companies);
    let mut record = Record::new(id, ADMIN_ID, at);
    name.clone_into(&mut record.name);
    let site = format!("https://{site}");
    put(account, EntityType::Companies, &mut record, "WEB", &site);
    account.companies.insert(record);
    id
}

fn add_contact(account: &mut Account, person: &Person, at: i64) -> u64 {
    let id = account.counters.record(EntityType::Contacts);
    let mut record = Record::new(id, FIRST_MANAGER_ID, at);
    record.name = format!("{} {}", person.first, person.last);
    person.first.clone_into(&mut record.first_name);
    person.last.clone_into(&mut record.last_name);
    for (field, text) in [("PHONE", person.phone), ("EMAIL", person.email)] {
        put(account, EntityType::Contacts, &mut record, field, text);
    }
    account.contacts.insert(record);
    id
}

fn add_lead(account: &mut Account, pipeline: u64, deal: &Deal, at: i64) -> u64 {
    let id = account.counters.record(EntityType::Leads);
    let mut record = Record::new(id, SECOND_MANAGER_ID, at);
    deal.name.clone_into(&mut record.name);
    record
        .tags
        .push(account.tag_id(EntityType::Leads, deal.tag));
    let commission = deal.price.to_string();
    for (field, text) in [
        ("UTM_SOURCE", "yandex"),
        ("UTM_CAMPAIGN", "asia_deals"),
        (OBJECT_PRICE, deal.object_price),
        (COMMISSION, &*commission),
        (OBJECT, deal.object),
        (PAYMENT, deal.payment),
    ] {
        put(account, EntityType::Leads, &mut record, field, text);
    }
    let own = deal.stage.and_then(|stage| {
        let mut own = account
            .pipeline(pipeline)?
            .statuses
            .iter()
            .filter(|status| status.is_own());
        own.nth(stage)
    });
    record.lead = Some(LeadState {
        price: deal.price,
        status_id: own.map_or(STATUS_WON, |status| status.id),
        pipeline_id: pipeline,
        loss_reason_id: None,
        closed_at: own.is_none().then_some(at),
    });
    account.leads.insert(record);
    id
}

fn add_note(account: &mut Account, lead: u64, text: &str, at: i64) {
    let id = Counters::take(&mut account.counters.note);
    let note = Note {
        id,
        entity_id: lead,
        kind: "common".to_owned(),
        params: json!({ "text": text }),
        created_by: SECOND_MANAGER_ID,
        updated_by: SECOND_MANAGER_ID,
        created_at: at,
        updated_at: at,
        responsible_user_id: SECOND_MANAGER_ID,
        group_id: 0,
        is_pinned: false,
    };
    let notes = account.notes.entry(EntityType::Leads).or_default();
    notes.insert(id, note);
}

/// Fills the field of this code or name: with the option of that text, else with the first one if it has any.
fn put(account: &Account, entity: EntityType, record: &mut Record, field: &str, text: &str) {
    let mut fields = account.fields_of(entity);
    let field = fields.find(|it| it.code.as_deref() == Some(field) || it.name == field);
    if let Some(field) = field {
        let options = field.enums.as_deref().unwrap_or_default();
        let option = options.iter().find(|option| option.value == text);
        let value = FieldValue {
            value: text.into(),
            enum_id: option.or(options.first()).map(|option| option.id),
        };
        record.values.insert(field.id, vec![value]);
    }
}
