//! Which managers a lead is for.

use store::ManagerReason;

use crate::config::{AssignmentStrategy, ManagerRule, ManagersConfig, UserList};
use crate::crm::Team;
use crate::lead::LeadForm;

/// Under this name the turns of those are counted who get what no rule is about.
const DEFAULT_POOL: &str = "default";

/// Managers to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Circle {
    /// The name that its turns are counted under.
    pub(crate) pool: String,
    /// The rule; `None`: no rule is about the lead.
    pub(crate) rule: Option<String>,
    pub(crate) strategy: AssignmentStrategy,
    /// Active ones, never empty.
    pub(crate) candidates: Vec<i64>,
}

/// What the rules say about a lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) circle: Option<Circle>,
    /// Rules about this lead whose managers are all away.
    pub(crate) skipped: Vec<String>,
}

impl Plan {
    /// Finds the first rule about a lead that has somebody active who was not refused.
    pub(crate) fn of(
        config: &ManagersConfig,
        form: &LeadForm,
        tags: &[String],
        team: &Team,
        refused: &[i64],
    ) -> Self {
        let mut skipped = Vec::new();
        let mut circle = |pool: String, rule: Option<&str>, users, group, strategy| {
            let mut candidates = named(users, group, team);
            candidates.retain(|user| !refused.contains(user));
            if candidates.is_empty() {
                skipped.push(rule.unwrap_or("the default managers").to_owned());
                return None;
            }
            Some(Circle {
                pool,
                rule: rule.map(str::to_owned),
                strategy: strategy?,
                candidates,
            })
        };
        let rules = config.rules.iter().enumerate();
        let mut found = rules
            .filter(|(_, rule)| rule.is_about(form, tags))
            .find_map(|(index, rule)| {
                let title = rule.title(index);
                circle(
                    format!("rule/{title}"),
                    Some(&title),
                    &rule.users,
                    rule.group.as_deref(),
                    rule.strategy.or(config.strategy),
                )
            });
        if found.is_none() && config.has_default() {
            found = circle(
                DEFAULT_POOL.to_owned(),
                None,
                &config.users,
                config.group.as_deref(),
                config.strategy,
            );
        }
        Self {
            circle: found,
            skipped,
        }
    }

    /// What to say if there is nobody.
    pub(crate) fn nobody(&self) -> ManagerReason {
        if self.skipped.is_empty() {
            ManagerReason::NoRule
        } else {
            ManagerReason::NoActiveUser
        }
    }
}

/// The active users of a list or group, each once, in the order of the list.
fn named(users: &UserList, group: Option<&str>, team: &Team) -> Vec<i64> {
    let listed = users.iter().flat_map(|word| team.called(word));
    let group = group.and_then(|name| team.group(name));
    let grouped = team
        .members
        .iter()
        .filter(|member| group.is_some_and(|group| member.group == group.id));
    let mut ids: Vec<i64> = Vec::new();
    for member in listed.chain(grouped) {
        if member.is_active && !ids.contains(&member.id) {
            ids.push(member.id);
        }
    }
    ids
}

/// The active users whom the settings name anywhere.
pub(crate) fn everybody_named(config: &ManagersConfig, team: &Team) -> Vec<i64> {
    let mut ids = named(&config.users, config.group.as_deref(), team);
    for rule in &config.rules {
        ids.extend(named(&rule.users, rule.group.as_deref(), team));
    }
    ids.sort_unstable();
    ids.dedup();
    ids
}

impl ManagerRule {
    fn is_about(&self, form: &LeadForm, tags: &[String]) -> bool {
        let texts_match = self.patterns().all(|(what, pattern)| match what {
            "tag" => tags.iter().any(|tag| matches(pattern, tag)),
            mark => form
                .utm
                .get(mark)
                .is_some_and(|text| matches(pattern, text)),
        });
        let in_range = match form.price {
            Some(price) => {
                self.price_from.is_none_or(|from| from <= price)
                    && self.price_to.is_none_or(|to| price <= to)
            }
            None => self.price_from.is_none() && self.price_to.is_none(),
        };
        texts_match && in_range
    }
}

/// Whether a text is what the pattern says, without regard to case; `*` stands for anything, also for nothing.
fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.trim().to_lowercase().chars().collect();
    let text: Vec<char> = text.trim().to_lowercase().chars().collect();
    let (mut p, mut t) = (0, 0);
    // After the last `*`, and where in the text what follows it was tried.
    let mut retry: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&'*') {
            p += 1;
            retry = Some((p, t));
        } else if pattern.get(p) == Some(&text[t]) {
            p += 1;
            t += 1;
        } else if let Some((after_star, tried)) = retry {
            p = after_star;
            t = tried + 1;
            retry = Some((after_star, t));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|character| *character == '*')
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::crm::{Group, Member};

    fn team() -> Team {
        let member = |id, name: &str, group, is_active| Member {
            id,
            name: name.to_owned(),
            email: Some(format!("User{id}@Acme.example")),
            group,
            is_active,
        };
        Team {
            read_at: DateTime::UNIX_EPOCH,
            members: vec![
                member(1, "Анна  Линь", 0, true),
                member(2, "Борис", 7, true),
                member(3, "Вера", 7, false),
                member(4, "Глеб", 7, true),
            ],
            groups: vec![
                Group {
                    id: 0,
                    name: "Отдел продаж".to_owned(),
                },
                Group {
                    id: 7,
                    name: "Бали".to_owned(),
                },
            ],
            refusal: None,
        }
    }

    fn config(value: &serde_json::Value) -> ManagersConfig {
        let mut settings = json!({"keep": "active", "task_minutes": 15});
        settings
            .as_object_mut()
            .unwrap()
            .extend(value.as_object().unwrap().clone());
        serde_json::from_value(settings).unwrap()
    }

    fn form(utm: &[(&str, &str)], price: Option<i64>) -> LeadForm {
        LeadForm {
            utm: utm
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
            price,
            ..LeadForm::default()
        }
    }

    #[test]
    fn users_are_found_by_id_e_mail_name_and_group_and_only_the_active_ones() {
        let of = |value| {
            let config = config(&value);
            named(&config.users, config.group.as_deref(), &team())
        };
        assert_eq!(
            of(json!({"users": " user4@acme.example, анна линь ,2"})),
            [4, 1, 2]
        );
        assert_eq!(of(json!({"users": [2, "борис", "Вера", "nobody"]})), [2]);
        assert_eq!(of(json!({"group": "бали"})), [2, 4]);
        assert_eq!(of(json!({"group": "Марс"})), [] as [i64; 0]);
    }

    #[test]
    fn the_first_rule_with_somebody_active_counts() {
        let config = config(&json!({
            "strategy": "round_robin",
            "users": [1],
            "rules": [
                {"name": "Вера's", "utm_source": "google", "users": ["Вера"]},
                {"name": "dear", "price_from": 100, "price_to": 200, "group": "Бали", "strategy": "least_loaded"},
                {"utm_campaign": "bali*2026", "tag": "VIP", "users": [4]},
            ],
        }));
        let plan = |form: LeadForm, tags: &[&str], refused: &[i64]| {
            let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
            Plan::of(&config, &form, &tags, &team(), refused)
        };
        let pool = |plan: &Plan| {
            plan.circle
                .as_ref()
                .map(|it| (it.pool.clone(), it.candidates.clone()))
        };

        let dear = plan(form(&[], Some(200)), &[], &[]);
        assert_eq!(pool(&dear), Some(("rule/dear".to_owned(), vec![2, 4])));
        assert_eq!(
            dear.circle.unwrap().strategy,
            AssignmentStrategy::LeastLoaded
        );
        let campaign = &[("campaign", "Bali_villas_2026")][..];
        let both = plan(form(campaign, Some(201)), &["site", "vip"], &[]);
        assert_eq!(pool(&both), Some(("rule/rule 3".to_owned(), vec![4])));
        let one = plan(form(campaign, None), &["site"], &[]);
        assert_eq!(pool(&one), Some(("default".to_owned(), vec![1])));
        // Her rule is passed over, and that is told.
        let vera = plan(form(&[("source", "Google")], None), &[], &[]);
        assert_eq!(
            (pool(&vera), vera.skipped),
            (
                Some(("default".to_owned(), vec![1])),
                vec!["Вера's".to_owned()]
            )
        );
        let nobody = plan(form(&[], None), &[], &[1]);
        assert_eq!(
            (pool(&nobody), nobody.nobody()),
            (None, ManagerReason::NoActiveUser)
        );
    }

    proptest! {
        #[test]
        fn a_star_stands_for_anything(parts in prop::collection::vec("[a-cA-C]{0,3}", 1..5), filler in "[a-d]{0,4}") {
            let pattern = parts.join("*");
            prop_assert!(matches(&pattern, &parts.join(&filler)) || (parts.len() == 1 && filler.is_empty()));
            prop_assert!(matches(&pattern, &pattern.replace('*', "").to_uppercase()));
        }

        #[test]
        fn without_a_star_only_the_same_text_matches(pattern in "[a-b]{0,4}", text in "[a-b]{0,4}") {
            prop_assert_eq!(matches(&pattern, &text), pattern == text);
        }
    }
}
