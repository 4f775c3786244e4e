//! The worlds to begin with.

mod asia_deals;

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::{
    answer::random_hex,
    config::Seed,
    world::{
        Account, Catalogs, Counters, Customers, Drive, DuplicateControl, Followers, Integration,
        Links, LossReason, Pipeline, Records, Status, Tasks, User, World, feed::Feed,
        services::Services, standard_task_types,
    },
};

const ACCOUNT_ID: u64 = 31_000_001;
const ADMIN_ID: u64 = 9_000_001;
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
        Seed::AsiaDeals => account(0, "asiadeals", "Asia Deals", now),
        Seed::Empty => account(0, "empty", "Новый аккаунт", now),
    };
    if seed == Seed::AsiaDeals {
        asia_deals::fill(&mut account, now);
    }
    World {
        accounts: vec![account],
        ..World::default()
    }
}

/// One more account for a world, with numbers, an integration and a secret of its own.
pub(crate) fn another_account(world: &World, subdomain: &str, name: &str, now: i64) -> Account {
    let first = world.accounts.first();
    let last = world.accounts.iter().map(|account| account.id).max();
    let index = last.map_or(0, |last| last + 1 - ACCOUNT_ID);
    let mut account = account(index, subdomain, name, now);
    account.uuid = Uuid::new_v4().to_string();
    account.amojo_id = Uuid::new_v4().to_string();
    for integration in &mut account.integrations {
        integration.client_id = Uuid::new_v4().to_string();
        integration.client_secret = random_hex(32);
        if let Some(known) = first.and_then(|first| first.integrations.first()) {
            integration.redirect_uri.clone_from(&known.redirect_uri);
        }
    }
    account
}

/// An account as amoCRM hands it to a new customer. No two accounts have a number in common.
fn account(index: u64, subdomain: &str, name: &str, now: i64) -> Account {
    let mut account = Account {
        id: ACCOUNT_ID + index,
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
        users: Vec::new(),
        user_groups: Vec::new(),
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
        customers: Customers::default(),
        catalogs: Catalogs::default(),
        short_links: BTreeMap::new(),
        tags: BTreeMap::new(),
        links: Links::default(),
        notes: BTreeMap::new(),
        loss_reasons: Vec::new(),
        followers: Followers::default(),
        unsorted: Vec::new(),
        tasks: Tasks::default(),
        task_types: standard_task_types(),
        feed: Feed::default(),
        drive: Drive::default(),
        services: Services::default(),
        duplicates: DuplicateControl::default(),
        counters: Counters::of_account(index),
    };
    add_user(
        &mut account,
        ADMIN_ID + index * 1000,
        "Алексей Воронов",
        "admin",
    );
    account.add_predefined_fields();
    add_main_pipeline(&mut account);
    add_loss_reasons(&mut account, now);
    account.add_robots();
    account
}

/// Adds a user; the first one is the administrator.
fn add_user(account: &mut Account, id: u64, name: &str, login: &str) {
    let is_admin = account.users.is_empty();
    account.users.push(User {
        id,
        name: name.to_owned(),
        email: format!("{login}@{}.example", account.subdomain),
        lang: "ru".to_owned(),
        group_id: 0,
        is_admin,
        is_active: true,
        is_free: false,
        role_id: None,
        rights: None,
    });
}

fn add_main_pipeline(account: &mut Account) {
    let id = add_pipeline(account, "Воронка", &STAGES);
    account.set_main_pipeline(id);
}

/// Adds a pipeline with these stages, names and colours, between the system ones.
fn add_pipeline(account: &mut Account, name: &str, stages: &[(&str, &str)]) -> u64 {
    let counters = &mut account.counters;
    let id = Counters::take(&mut counters.pipeline);
    let mut statuses = Pipeline::system_statuses(Counters::take(&mut counters.status));
    for (sort, (name, color)) in (0..).zip(stages) {
        statuses.push(Status {
            id: Counters::take(&mut counters.status),
            name: (*name).to_owned(),
            sort,
            is_editable: true,
            color: (*color).to_owned(),
            kind: 0,
            descriptions: Vec::new(),
        });
    }
    let sort = account.pipelines.last().map_or(1, |last| last.sort + 1);
    let mut pipeline = Pipeline {
        id,
        name: name.to_owned(),
        sort,
        is_main: false,
        is_unsorted_on: true,
        is_archive: false,
        statuses,
    };
    pipeline.normalise();
    account.pipelines.push(pipeline);
    id
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
