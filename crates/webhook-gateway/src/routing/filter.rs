//! What a subscriber wants: pure functions over what is known of an event.

use crate::config::SubscriberSettings;

/// Actions that come with the whole entity, so that fields can be compared.
const WHOLE: [&str; 5] = ["add", "restore", "update", "status", "responsible"];
/// Of those, the ones that are about a change of fields: an entity that was added or restored is news in any case.
const CHANGES: [&str; 3] = ["update", "status", "responsible"];

/// What is known of an event when it is routed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    /// `leads.status`.
    pub(crate) kind: &'a str,
    /// The account's name in the settings.
    pub(crate) account: &'a str,
    /// `leads/40000001`.
    pub(crate) subject: Option<&'a str>,
    pub(crate) pipeline_id: Option<i64>,
    pub(crate) status_id: Option<i64>,
}

impl Facts<'_> {
    /// Whether the event is about a change of fields that can be compared.
    pub(crate) fn tells_fields(&self) -> bool {
        self.subject.is_some() && CHANGES.contains(&action(self.kind))
    }

    /// Whether the event shows the whole entity.
    pub(crate) fn is_whole(&self) -> bool {
        self.subject.is_some() && WHOLE.contains(&action(self.kind))
    }
}

fn action(kind: &str) -> &str {
    kind.split_once('.').map_or("", |(_, action)| action)
}

/// What a subscriber wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter {
    events: Vec<Pattern>,
    accounts: Vec<String>,
    pipelines: Vec<i64>,
    stages: Vec<i64>,
    changed: Vec<String>,
}

/// `leads.*`: `None` stands for anything.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    entity: Option<String>,
    action: Option<String>,
}

impl Filter {
    pub(crate) fn new(settings: &SubscriberSettings) -> Self {
        Self {
            events: settings
                .events
                .iter()
                .map(|text| Pattern::new(text))
                .collect(),
            accounts: settings.accounts.clone(),
            pipelines: settings.pipelines.clone(),
            stages: settings.stages.clone(),
            changed: settings.changed.clone(),
        }
    }

    pub(crate) fn everything() -> Self {
        Self {
            events: vec![Pattern::new("*")],
            accounts: Vec::new(),
            pipelines: Vec::new(),
            stages: Vec::new(),
            changed: Vec::new(),
        }
    }

    /// Whether the event is wanted, whatever has changed: every condition has to hold, and of several values one.
    pub(crate) fn admits(&self, facts: &Facts<'_>) -> bool {
        let is_one_of = |wanted: &[i64], value: Option<i64>| {
            wanted.is_empty() || value.is_some_and(|value| wanted.contains(&value))
        };
        self.events.iter().any(|pattern| pattern.is(facts.kind))
            && (self.accounts.is_empty() || self.accounts.iter().any(|it| it == facts.account))
            && is_one_of(&self.pipelines, facts.pipeline_id)
            && is_one_of(&self.stages, facts.status_id)
    }

    /// The fields of which one has to have changed; none: whatever has changed.
    pub(crate) fn changed(&self) -> &[String] {
        &self.changed
    }
}

impl Pattern {
    fn new(text: &str) -> Self {
        let part = |part: &str| (part != "*").then(|| part.to_owned());
        let (entity, action) = text.split_once('.').unwrap_or((text, "*"));
        Self {
            entity: part(entity),
            action: part(action),
        }
    }

    fn is(&self, kind: &str) -> bool {
        let (entity, action) = kind.split_once('.').unwrap_or((kind, ""));
        self.entity.as_deref().is_none_or(|wanted| wanted == entity)
            && self.action.as_deref().is_none_or(|wanted| wanted == action)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn filter(settings: &Value) -> Filter {
        let mut whole = json!({"stdout": true});
        let given = settings.as_object().unwrap().clone();
        whole.as_object_mut().unwrap().extend(given);
        let settings: SubscriberSettings = serde_json::from_value(whole).unwrap();
        assert_eq!(
            settings.check(
                std::time::Duration::from_secs(30),
                std::time::Duration::ZERO,
                &service_kit::egress::Guard::default()
            ),
            []
        );
        Filter::new(&settings)
    }

    fn facts(kind: &str) -> Facts<'_> {
        Facts {
            kind,
            account: "main",
            subject: Some("leads/1"),
            pipeline_id: Some(7),
            status_id: Some(142),
        }
    }

    #[test]
    fn a_subscriber_gets_what_its_filters_name() {
        for (settings, kind, expected) in [
            (json!({}), "leads.add", true),
            (json!({}), "unknown", true),
            (json!({"events": ["*"]}), "integration.disabled", true),
            (json!({"events": ["leads.*"]}), "leads.add", true),
            (json!({"events": ["leads.*"]}), "leads.status", true),
            (json!({"events": ["leads.*"]}), "contacts.add", false),
            (json!({"events": ["leads.*"]}), "unknown", false),
            (json!({"events": ["*.delete"]}), "contacts.delete", true),
            (json!({"events": ["*.delete"]}), "contacts.add", false),
            (json!({"events": ["*.*"]}), "tasks.update", true),
            (
                json!({"events": ["contacts.update"]}),
                "contacts.update",
                true,
            ),
            (
                json!({"events": ["contacts.update"]}),
                "contacts.updated",
                false,
            ),
            (
                json!({"events": ["leads.add", "companies.*"]}),
                "companies.note",
                true,
            ),
            (json!({"accounts": ["main"]}), "leads.add", true),
            (json!({"accounts": ["other"]}), "leads.add", false),
            (json!({"accounts": ["other", "main"]}), "leads.add", true),
            (json!({"pipelines": [7]}), "leads.add", true),
            (json!({"pipelines": [8, 9]}), "leads.add", false),
            (json!({"stages": [142, 143]}), "leads.status", true),
            (json!({"stages": [143]}), "leads.status", false),
            (
                json!({"events": ["leads.*"], "pipelines": [7], "stages": [142]}),
                "leads.add",
                true,
            ),
            (
                json!({"events": ["tasks.*"], "pipelines": [7], "stages": [142]}),
                "leads.add",
                false,
            ),
            // Whether a field has changed is the store's to say: it knows what was seen last.
            (json!({"changed": ["price"]}), "leads.update", true),
        ] {
            assert_eq!(
                filter(&settings).admits(&facts(kind)),
                expected,
                "{settings} {kind}"
            );
        }
    }

    #[test]
    fn an_event_that_tells_no_pipeline_passes_only_where_none_is_asked_for() {
        let mut silent = facts("contacts.update");
        (silent.pipeline_id, silent.status_id) = (None, None);
        assert!(filter(&json!({})).admits(&silent));
        assert!(!filter(&json!({"pipelines": [7]})).admits(&silent));
        assert!(!filter(&json!({"stages": [142]})).admits(&silent));
    }

    #[test]
    fn fields_are_compared_where_an_event_is_about_a_change() {
        for (kind, is_change, is_whole) in [
            ("leads.update", true, true),
            ("leads.status", true, true),
            ("contacts.responsible", true, true),
            ("leads.add", false, true),
            ("leads.restore", false, true),
            ("leads.delete", false, false),
            ("leads.note", false, false),
            ("unknown", false, false),
        ] {
            let facts = facts(kind);
            assert_eq!(
                (facts.tells_fields(), facts.is_whole()),
                (is_change, is_whole),
                "{kind}"
            );
        }
    }

    fn word() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("leads".to_owned()),
            Just("update".to_owned()),
            "[a-z_]{1,8}"
        ]
    }

    proptest! {
        #[test]
        fn a_pattern_made_of_an_event_finds_it_and_wildcards_find_more(
            entity in word(), action in word(), other in word(),
        ) {
            let kind = format!("{entity}.{action}");
            for pattern in [kind.clone(), format!("{entity}.*"), format!("*.{action}"), "*".to_owned(), "*.*".to_owned()] {
                prop_assert!(Pattern::new(&pattern).is(&kind), "{} {}", pattern, kind);
            }
            let is_same = other == entity;
            prop_assert_eq!(Pattern::new(&format!("{other}.*")).is(&kind), is_same);
        }

        #[test]
        fn a_longer_list_admits_no_less_and_another_condition_no_more(
            pipelines in prop::collection::vec(0_i64..5, 1..4),
            stages in prop::collection::vec(0_i64..5, 1..4),
            (pipeline, stage, more) in (0_i64..5, 0_i64..5, 0_i64..5),
        ) {
            let mut facts = facts("leads.status");
            (facts.pipeline_id, facts.status_id) = (Some(pipeline), Some(stage));
            let narrow = filter(&json!({"pipelines": pipelines}));
            let both = filter(&json!({"pipelines": pipelines, "stages": stages}));
            let mut longer = pipelines.clone();
            longer.push(more);
            let wide = filter(&json!({"pipelines": longer}));
            prop_assert!(!both.admits(&facts) || narrow.admits(&facts));
            prop_assert!(!narrow.admits(&facts) || wide.admits(&facts));
            prop_assert_eq!(narrow.admits(&facts), pipelines.contains(&pipeline));
        }
    }
}
