//! `[managers]`: who is responsible for which lead.

use std::fmt;
use std::time::Duration;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use service_kit::config::{Problems, Section, Variable};

/// `[managers]`. Without a strategy amoCRM decides.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManagersConfig {
    /// How one of several is chosen, also for the rules that do not say it themselves.
    #[serde(default)]
    pub strategy: Option<AssignmentStrategy>,
    /// Names, e-mails or ids of users.
    #[serde(default)]
    pub users: UserList,
    /// Instead of users: everybody in the group of this name.
    #[serde(default)]
    pub group: Option<String>,
    /// Who keeps a repeated client.
    pub keep: KeepClients,
    /// The text of a task for the manager of a new deal.
    #[serde(default)]
    pub task: Option<String>,
    /// When that task is due.
    task_minutes: u32,
    /// Rules, the first that is about a lead counts.
    #[serde(default)]
    pub rules: Vec<ManagerRule>,
}

/// How one of several managers is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AssignmentStrategy {
    /// By turns.
    RoundRobin,
    /// The one with the fewest open deals.
    LeastLoaded,
}

/// Who keeps a repeated client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeepClients {
    /// Whoever has the client, while they are active.
    #[default]
    Active,
    /// The same, if they are among those whom the settings name.
    Listed,
    /// Nobody: each lead is assigned anew.
    Never,
}

/// `[[managers.rules]]`: which leads, and who gets them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ManagerRule {
    /// What it is called in explanations; `rule 1` and so on unless given. Turns are counted under this name.
    pub name: Option<String>,
    /// `utm_source` is this; `*` stands for anything.
    pub utm_source: Option<String>,
    /// The same of `utm_medium`.
    pub utm_medium: Option<String>,
    /// The same of `utm_campaign`.
    pub utm_campaign: Option<String>,
    /// The same of `utm_content`.
    pub utm_content: Option<String>,
    /// The same of `utm_term`.
    pub utm_term: Option<String>,
    /// One of the deal's tags is this; `*` stands for anything.
    pub tag: Option<String>,
    /// The price is at least this.
    pub price_from: Option<i64>,
    /// The price is at most this.
    pub price_to: Option<i64>,
    /// Who gets them.
    pub users: UserList,
    /// Instead of users: everybody in the group of this name.
    pub group: Option<String>,
    /// How one of them is chosen; as `[managers]` says unless given.
    pub strategy: Option<AssignmentStrategy>,
}

impl ManagerRule {
    /// The patterns that texts of a lead have to match, by the name of the UTM mark or `tag`.
    pub(crate) fn patterns(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("source", &self.utm_source),
            ("medium", &self.utm_medium),
            ("campaign", &self.utm_campaign),
            ("content", &self.utm_content),
            ("term", &self.utm_term),
            ("tag", &self.tag),
        ]
        .into_iter()
        .filter_map(|(name, pattern)| Some((name, pattern.as_deref()?)))
    }

    /// What it is called, being the `index`-th.
    pub(crate) fn title(&self, index: usize) -> String {
        match &self.name {
            Some(name) => name.trim().to_owned(),
            None => format!("rule {}", index + 1),
        }
    }

    fn is_about_everything(&self) -> bool {
        self.patterns().next().is_none() && self.price_from.is_none() && self.price_to.is_none()
    }
}

/// Users as people name them: in one text with commas, or as a list.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct UserList(Vec<String>);

impl UserList {
    /// What each is called.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Whether nobody is named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn push(&mut self, text: &str) {
        let names = text.split(',').map(str::trim);
        self.0
            .extend(names.filter(|name| !name.is_empty()).map(str::to_owned));
    }
}

/// Only how many: they are employees' names.
impl fmt::Debug for UserList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserList({})", self.0.len())
    }
}

impl<'de> Deserialize<'de> for UserList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Users;

        impl<'de> Visitor<'de> for Users {
            type Value = UserList;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("names, e-mails or ids of users")
            }

            fn visit_str<E>(self, text: &str) -> Result<UserList, E> {
                let mut users = UserList::default();
                users.push(text);
                Ok(users)
            }

            fn visit_u64<E>(self, id: u64) -> Result<UserList, E> {
                Ok(UserList(vec![id.to_string()]))
            }

            fn visit_i64<E>(self, id: i64) -> Result<UserList, E> {
                Ok(UserList(vec![id.to_string()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<UserList, A::Error> {
                let mut users = UserList::default();
                // An item may be a number, which is an id.
                while let Some(UserList(item)) = items.next_element()? {
                    users.0.extend(item);
                }
                Ok(users)
            }
        }

        deserializer.deserialize_any(Users)
    }
}

impl ManagersConfig {
    /// Whether managers are assigned at all.
    pub fn is_on(&self) -> bool {
        self.has_default() || !self.rules.is_empty()
    }

    /// Whether leads that no rule is about are assigned.
    pub(crate) fn has_default(&self) -> bool {
        !self.users.is_empty() || self.group.is_some()
    }

    /// When a task for the manager is due after the deal was made.
    pub fn task_due(&self) -> Duration {
        Duration::from_secs(u64::from(self.task_minutes) * 60)
    }
}

impl Section for ManagersConfig {
    const NAME: &'static str = "managers";

    fn validate(&self, problems: &mut Problems) {
        if !self.users.is_empty() && self.group.is_some() {
            problems.report(
                "managers.users",
                "users and a group are both set: set one of INTAKE_MANAGERS and INTAKE_MANAGER_GROUP",
            );
        }
        if self.has_default() && self.strategy.is_none() {
            problems.report("managers.strategy", "is unset, though managers are named");
        }
        if self.strategy.is_some() && !self.is_on() {
            problems.report(
                "managers.users",
                "is unset, though there is a strategy; name users, or a group by INTAKE_MANAGER_GROUP",
            );
        }
        problems.range("managers.task_minutes", self.task_minutes, 1, 525_600);
        let mut titles = Vec::with_capacity(self.rules.len());
        for (index, rule) in self.rules.iter().enumerate() {
            let title = rule.title(index);
            self.check_rule(&format!("managers.rules, «{title}»"), rule, problems);
            if titles.contains(&title) {
                problems.report(
                    "managers.rules",
                    format!("«{title}» is the name of two rules"),
                );
            }
            titles.push(title);
        }
    }
}

impl ManagersConfig {
    fn check_rule(&self, key: &str, rule: &ManagerRule, problems: &mut Problems) {
        if rule.is_about_everything() {
            problems.report(
                key,
                "has no condition; give it one of utm_source, utm_medium, utm_campaign, utm_content, utm_term, tag, \
                 price_from and price_to, or put its users into [managers]",
            );
        }
        if rule
            .patterns()
            .any(|(_, pattern)| pattern.trim().is_empty())
        {
            problems.report(key, "has an empty condition");
        }
        if rule.title(0).is_empty() {
            problems.report(key, "has an empty name");
        }
        let group = rule.group.as_deref().map(str::trim);
        match (rule.users.is_empty(), group) {
            (true, None | Some("")) => {
                problems.report(key, "names nobody; give it `users` or a `group`");
            }
            (false, Some(_)) => {
                problems.report(key, "has users and a group; one of them is enough");
            }
            _ => {}
        }
        if rule.strategy.or(self.strategy).is_none() {
            problems.report(
                key,
                "has no strategy; set `strategy` of the rule or of [managers] to round_robin or least_loaded",
            );
        }
        for (name, price) in [("price_from", rule.price_from), ("price_to", rule.price_to)] {
            if price.is_some_and(|price| price < 0) {
                problems.report(key, format!("{name} is below zero"));
            }
        }
        if let (Some(from), Some(to)) = (rule.price_from, rule.price_to)
            && from > to
        {
            problems.report(key, format!("price_from {from} is above price_to {to}"));
        }
    }
}

/// The variables of this section. Rules stand in the file.
pub const MANAGER_VARIABLES: &[Variable] = &[
    Variable::plain(
        "INTAKE_MANAGER_STRATEGY",
        "managers.strategy",
        "round_robin or least_loaded",
        "round_robin",
    ),
    Variable::plain(
        "INTAKE_MANAGERS",
        "managers.users",
        "e-mails, names or ids of users, separated by commas",
        "anna@example.ru,boris@example.ru",
    ),
    Variable::plain(
        "INTAKE_MANAGER_GROUP",
        "managers.group",
        "the name of a group of users",
        "Отдел продаж",
    ),
    Variable::plain(
        "INTAKE_MANAGER_KEEP",
        "managers.keep",
        "active, listed or never",
        "active",
    ),
    Variable::plain(
        "INTAKE_MANAGER_TASK",
        "managers.task",
        "the text of a task",
        "Связаться с клиентом",
    ),
    Variable::plain(
        "INTAKE_MANAGER_TASK_MINUTES",
        "managers.task_minutes",
        "minutes from 1 to 525600",
        "15",
    ),
];

#[cfg(test)]
mod tests {
    use service_kit::config::Environment;

    use crate::Config;

    /// A file, variables, and what has to be said about them.
    type Case<'a> = (String, &'a [(&'a str, &'a str)], &'a str);

    fn problems_of(toml: &str, environment: &[(&str, &str)]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("intake.toml");
        std::fs::write(&path, toml).unwrap();
        let pairs = environment.iter().copied();
        match Config::load(Environment::from_pairs(pairs), Some(&path)) {
            Ok(_) => String::new(),
            Err(errors) => errors.to_string(),
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_what_to_do() {
        let anna = ("INTAKE_MANAGERS", "anna@example.ru");
        let turns = ("INTAKE_MANAGER_STRATEGY", "round_robin");
        let group = ("INTAKE_MANAGER_GROUP", "Продажи");
        let rule = |lines: &str| format!("[[managers.rules]]\nname = \"Бали\"\n{lines}\n");
        let cases: &[Case<'_>] = &[
            (
                String::new(),
                &[anna, turns, group],
                "users and a group are both set",
            ),
            (
                String::new(),
                &[anna],
                "is unset, though managers are named",
            ),
            (String::new(), &[turns], "name users, or a group"),
            (
                String::new(),
                &[anna, ("INTAKE_MANAGER_STRATEGY", "dice")],
                "INTAKE_MANAGER_STRATEGY",
            ),
            (rule("users = [1]"), &[turns], "«Бали»: has no condition"),
            (
                rule("users = [1]\ntag = \"vip\""),
                &[],
                "«Бали»: has no strategy",
            ),
            (rule("tag = \"vip\""), &[turns], "«Бали»: names nobody"),
            (
                rule("tag = \"vip\"\nusers = [1]\ngroup = \"x\""),
                &[turns],
                "one of them is enough",
            ),
            (
                rule("users = [1]\nprice_from = 5\nprice_to = 4"),
                &[turns],
                "price_from 5 is above price_to 4",
            ),
            (
                rule("users = [1]\nprice_to = -1"),
                &[turns],
                "price_to is below zero",
            ),
            (
                rule("users = [1]\ntag = \" \""),
                &[turns],
                "empty condition",
            ),
            (rule("users = [1]\nsource = \"google\""), &[turns], "source"),
            (
                format!("{0}{0}", rule("users = [1]\ntag = \"vip\"")),
                &[turns],
                "«Бали» is the name of two rules",
            ),
        ];
        for (toml, environment, expected) in cases {
            let said = problems_of(toml, environment);
            assert!(said.contains(expected), "{expected}\n{toml}{said}");
        }
        let fine = rule("users = [\"Анна\", 7, \"b@x.ru, c@x.ru\"]\nutm_source = \"google*\"");
        assert_eq!(problems_of(&fine, &[turns]), "");
        assert_eq!(problems_of("", &[anna, turns]), "");
        assert_eq!(problems_of("", &[]), "");
    }
}
