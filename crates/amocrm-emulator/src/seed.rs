//! The worlds to begin with.

use std::collections::BTreeMap;

use serde_json::json;

use crate::{
    config::Seed,
    world::{
        Account, Counters, EntityType, FieldValue, Integration, LeadState, Links, LossReason, Note,
        Pipeline, Record, Records, STATUS_WON, Status, User, World,
    },
};

const ACCOUNT_ID: u64 = 31_000_001;
const ADMIN_ID: u64 = 9_000_001;
const FIRST_MANAGER_ID: u64 = 9_000_002;
const SECOND_MANAGER_ID: u64 = 9_000_003;
const MOSCOW_SECONDS: i32 = 3 * 3600;
const DAY: i64 = 86_400;

/// The stages of the pipeline every new account has.
const STAGES: [(&str, &str); 4] = [
    ("Первичный контакт", "#99ccff"),
    ("Переговоры", "#ffff99"),
    ("Принимают решение", "#ffcc66"),
    ("Согласование договора", "#ffcccc"),
];

const LOSS_REASONS: [&str; 4] = [
    "Слишком дорого",
    "Пропала потребность",
    "Не устроили условия",
    "Выбрали других",
];

/// A world with one account, as `--seed` says.
pub(crate) fn world(seed: Seed, now: i64) -> World {
    let mut account = match seed {
        Seed::AsiaDeals => account("asiadeals", "Asia Deals", now),
        Seed::Empty => account("empty", "Новый аккаунт", now),
    };
    if seed == Seed::AsiaDeals {
        account
            .users
            .push(user(FIRST_MANAGER_ID, "Мария Соколова", "maria", false));
        account
            .users
            .push(user(SECOND_MANAGER_ID, "Тимур Ахметов", "timur", false));
        fill(&mut account, now);
    }
    World {
        accounts: vec![account],
        ..World::default()
    }
}

/// An account as amoCRM hands it to a new customer.
fn account(subdomain: &str, name: &str, now: i64) -> Account {
    let mut account = Account {
        id: ACCOUNT_ID,
        subdomain: subdomain.to_owned(),
        name: name.to_owned(),
        tld: "ru".to_owned(),
        country: "RU".to_owned(),
        currency: "RUB".to_owned(),
        utc_offset_seconds: MOSCOW_SECONDS,
        is_api_filter_enabled: true,
        uuid: "a31f0c52-6f0e-4f0a-9c39-2d0c7b1e5a01".to_owned(),
        amojo_id: "a31f0c52-6f0e-4f0a-9c39-2d0c7b1e5a02".to_owned(),
        created_at: now - 90 * DAY,
        users: vec![user(ADMIN_ID, "Алексей Воронов", "admin", true)],
        integrations: vec![Integration {
            client_id: "5b1c2e7a-90d4-4c51-8a3f-0d6f4e2b7c10".to_owned(),
            client_secret: "emulatorSecretForLocalUseOnly0123456789abcdefghijklmnopqrstuvwxy"
                .to_owned(),
            redirect_uri: String::new(),
            name: "Локальная интеграция".to_owned(),
            disabled_hook_url: None,
        }],
        webhooks: Vec::new(),
        pipelines: Vec::new(),
        fields: BTreeMap::new(),
        groups: BTreeMap::new(),
        leads: Records::default(),
        contacts: Records::default(),
        companies: Records::default(),
        tags: BTreeMap::new(),
        links: Links::default(),
        notes: BTreeMap::new(),
        loss_reasons: Vec::new(),
        counters: Counters::default(),
    };
    account.add_predefined_fields();
    add_main_pipeline(&mut account);
    add_loss_reasons(&mut account, now);
    account
}

fn user(id: u64, name: &str, login: &str, is_admin: bool) -> User {
    User {
        id,
        name: name.to_owned(),
        email: format!("{login}@asiadeals.example"),
        lang: "ru".to_owned(),
        group_id: 0,
        is_admin,
        is_active: true,
    }
}

fn add_main_pipeline(account: &mut Account) {
    let counters = &mut account.counters;
    let id = Counters::take(&mut counters.pipeline);
    let mut statuses = Pipeline::system_statuses(Counters::take(&mut counters.status));
    for (sort, (name, color)) in (0..).zip(STAGES) {
        statuses.push(Status {
            id: Counters::take(&mut counters.status),
            name: name.to_owned(),
            sort,
            is_editable: true,
            color: color.to_owned(),
            kind: 0,
            descriptions: Vec::new(),
        });
    }
    let mut pipeline = Pipeline {
        id,
        name: "Воронка".to_owned(),
        sort: 1,
        is_main: true,
        is_unsorted_on: true,
        is_archive: false,
        statuses,
    };
    pipeline.normalise();
    account.pipelines.push(pipeline);
}

fn add_loss_reasons(account: &mut Account, now: i64) {
    for (sort, name) in (1..).zip(LOSS_REASONS) {
        let id = Counters::take(&mut account.counters.loss_reason);
        let at = now - 90 * DAY;
        account.loss_reasons.push(LossReason {
            id,
            name: name.to_owned(),
            sort: sort * 100_000,
            created_at: at,
            updated_at: at,
        });
    }
}

/// What a sales department has after a few days: some companies, people, deals, tags and a note.
fn fill(account: &mut Account, now: i64) {
    let companies = [
        ("ООО «Восточный ветер»", "vostok.example"),
        ("ТОО «Степь Логистик»", "steppe.example"),
    ];
    let companies: Vec<u64> = companies
        .iter()
        .map(|(name, site)| add_company(account, name, site, now))
        .collect();
    let people = [
        (
            "Анна",
            "Петрова",
            "+79001110001",
            "anna.petrova@example.org",
        ),
        ("Данияр", "Сериков", "+77011110002", "daniyar@example.org"),
        ("Ольга", "Ким", "+79261110003", "olga.kim@example.org"),
        ("Ли", "Вэй", "+8613811110004", "li.wei@example.org"),
    ];
    let people: Vec<u64> = (0..)
        .zip(people)
        .map(|(day, person)| add_contact(account, person, now - (9 - day) * DAY))
        .collect();
    link(
        account,
        (EntityType::Contacts, people[0]),
        (EntityType::Companies, companies[0]),
    );
    link(
        account,
        (EntityType::Contacts, people[1]),
        (EntityType::Companies, companies[1]),
    );

    let deals = [
        (
            "Поставка мебели из Гуанчжоу",
            450_000,
            Some(1),
            people[0],
            Some(companies[0]),
        ),
        (
            "Контейнер текстиля",
            1_280_000,
            Some(2),
            people[1],
            Some(companies[1]),
        ),
        (
            "Консультация по сертификации",
            30_000,
            Some(0),
            people[2],
            None,
        ),
        ("Образцы фурнитуры", 12_500, None, people[3], None),
        (
            "Поиск поставщика электроники",
            95_000,
            Some(0),
            people[2],
            Some(companies[0]),
        ),
    ];
    let deals: Vec<u64> = (0..)
        .zip(deals)
        .map(|(day, (name, price, stage, contact, company))| {
            let id = add_lead(account, name, price, stage, now - (6 - day) * DAY);
            link(
                account,
                (EntityType::Leads, id),
                (EntityType::Contacts, contact),
            );
            if let Some(company) = company {
                link(
                    account,
                    (EntityType::Leads, id),
                    (EntityType::Companies, company),
                );
            }
            id
        })
        .collect();
    add_note(
        account,
        deals[0],
        "Клиент просит прислать каталог до пятницы",
        now - 2 * DAY,
    );
}

fn link(account: &mut Account, a: (EntityType, u64), b: (EntityType, u64)) {
    account.links.link(a, b);
}

fn add_company(account: &mut Account, name: &str, site: &str, now: i64) -> u64 {
    let id = account.counters.record(EntityType::Companies);
    let mut record = Record::new(id, ADMIN_ID, now - 10 * DAY);
    name.clone_into(&mut record.name);
    put(
        account,
        EntityType::Companies,
        &mut record,
        "WEB",
        &format!("https://{site}"),
    );
    account.companies.insert(record);
    id
}

fn add_contact(
    account: &mut Account,
    (first, last, phone, email): (&str, &str, &str, &str),
    at: i64,
) -> u64 {
    let id = account.counters.record(EntityType::Contacts);
    let mut record = Record::new(id, FIRST_MANAGER_ID, at);
    record.name = format!("{first} {last}");
    first.clone_into(&mut record.first_name);
    last.clone_into(&mut record.last_name);
    put(account, EntityType::Contacts, &mut record, "PHONE", phone);
    put(account, EntityType::Contacts, &mut record, "EMAIL", email);
    account.contacts.insert(record);
    id
}

/// Adds a lead in one of the pipeline's own stages, or a won one.
fn add_lead(account: &mut Account, name: &str, price: i64, stage: Option<usize>, at: i64) -> u64 {
    let id = account.counters.record(EntityType::Leads);
    let mut record = Record::new(
        id,
        if price > 100_000 {
            SECOND_MANAGER_ID
        } else {
            FIRST_MANAGER_ID
        },
        at,
    );
    name.clone_into(&mut record.name);
    record.tags.push(account.tag_id(
        EntityType::Leads,
        if price > 100_000 {
            "опт"
        } else {
            "сайт"
        },
    ));
    put(
        account,
        EntityType::Leads,
        &mut record,
        "UTM_SOURCE",
        "yandex",
    );
    if let Some(pipeline) = account.main_pipeline() {
        let own = stage.and_then(|stage| {
            pipeline
                .statuses
                .iter()
                .filter(|status| status.is_own())
                .nth(stage)
        });
        record.lead = Some(LeadState {
            price,
            status_id: own.map_or(STATUS_WON, |status| status.id),
            pipeline_id: pipeline.id,
            loss_reason_id: None,
            closed_at: if stage.is_none() { Some(at) } else { None },
        });
    }
    account.leads.insert(record);
    id
}

fn add_note(account: &mut Account, lead: u64, text: &str, at: i64) {
    let id = Counters::take(&mut account.counters.note);
    let note = Note {
        id,
        entity_id: lead,
        kind: "common".to_owned(),
        params: json!({"text": text}),
        created_by: SECOND_MANAGER_ID,
        updated_by: SECOND_MANAGER_ID,
        created_at: at,
        updated_at: at,
        responsible_user_id: SECOND_MANAGER_ID,
        group_id: 0,
        is_pinned: false,
    };
    account
        .notes
        .entry(EntityType::Leads)
        .or_default()
        .insert(id, note);
}

/// Fills a predefined field, with its default option where it has any.
fn put(account: &Account, entity: EntityType, record: &mut Record, code: &str, text: &str) {
    if let Some(field) = account.field_by_code(entity, code) {
        let enum_id = field
            .enums
            .as_ref()
            .and_then(|options| options.first())
            .map(|option| option.id);
        record.values.insert(
            field.id,
            vec![FieldValue {
                value: text.into(),
                enum_id,
            }],
        );
    }
}
