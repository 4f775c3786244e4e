//! Whether the managers that the settings name can be found.

use super::Doctor;
use crate::App;
use crate::config::{ManagersConfig, UserList};
use crate::crm::{Linked, Team};
use crate::managers::everybody_named;

const WHAT: &str = "managers";

impl Doctor<'_> {
    pub(super) async fn managers(&mut self, app: &App, linked: &Linked) -> anyhow::Result<()> {
        let config = &app.config().managers;
        if !config.is_on() {
            return self.good(
                WHAT,
                "amoCRM decides who is responsible (INTAKE_MANAGER_STRATEGY is unset)",
            );
        }
        let team = match Team::read(app.crm(), linked).await {
            Ok(team) => team,
            Err(error) => return self.bad(WHAT, &error.to_string()),
        };
        if let Some(refusal) = &team.refusal {
            return self.bad(
                WHAT,
                &format!(
                    "amoCRM does not show its users ({refusal}): let an administrator of the account connect it at \
                     /api/auth/amo; until then amoCRM decides who is responsible"
                ),
            );
        }
        let mut findings = Vec::new();
        check(
            "[managers]",
            &config.users,
            config.group.as_deref(),
            &team,
            &mut findings,
        );
        for (index, rule) in config.rules.iter().enumerate() {
            let title = format!("rule «{}»", rule.title(index));
            check(
                &title,
                &rule.users,
                rule.group.as_deref(),
                &team,
                &mut findings,
            );
        }
        if findings.is_empty() {
            return self.good(WHAT, &summary(config, &team));
        }
        for finding in findings {
            self.bad(WHAT, &finding)?;
        }
        Ok(())
    }
}

fn summary(config: &ManagersConfig, team: &Team) -> String {
    let rules = match config.rules.len() {
        0 => String::new(),
        1 => ", 1 rule".to_owned(),
        many => format!(", {many} rules"),
    };
    format!(
        "{} active users{rules}",
        everybody_named(config, team).len()
    )
}

fn check(
    place: &str,
    users: &UserList,
    group: Option<&str>,
    team: &Team,
    findings: &mut Vec<String>,
) {
    for word in users.iter() {
        let mut called = team.called(word).peekable();
        if called.peek().is_none() {
            findings.push(format!(
                "{place}: nobody is called «{word}»; name users by e-mail, name or id as amoCRM has them"
            ));
        } else if called.all(|member| !member.is_active) {
            findings.push(format!("{place}: «{word}» is not active and gets no leads"));
        }
    }
    let Some(name) = group else { return };
    match team.group(name) {
        None => {
            let known: Vec<_> = team
                .groups
                .iter()
                .map(|group| format!("«{}»", group.name))
                .collect();
            findings.push(format!(
                "{place}: there is no group «{name}»; there are {}",
                known.join(", ")
            ));
        }
        Some(group) => {
            let mut members = team.members.iter();
            if !members.any(|member| member.group == group.id && member.is_active) {
                findings.push(format!("{place}: nobody in the group «{name}» is active"));
            }
        }
    }
}
