//! Whether the managers that the settings name can be found.

use service_kit::doctor::Finding;

use crate::App;
use crate::config::{ManagersConfig, UserList};
use crate::crm::Team;
use crate::managers::everybody_named;

pub(super) async fn check(app: &App) -> Vec<Finding> {
    let config = &app.config().managers;
    if !config.is_on() {
        return vec![Finding::good(
            "amoCRM decides who is responsible (INTAKE_MANAGER_STRATEGY is unset)",
        )];
    }
    let read = async { Team::read(app.crm(), &app.crm().linked().await?).await };
    let team = match read.await {
        Ok(team) => team,
        Err(error) => return vec![Finding::bad(error.to_string())],
    };
    if let Some(refusal) = &team.refusal {
        return vec![
            Finding::bad(format!(
                "amoCRM does not show its users ({refusal}); until it does, it decides who is responsible"
            ))
            .remedy("let an administrator of the account connect it at /api/auth/amo"),
        ];
    }
    let mut findings = Vec::new();
    look_for(
        "[managers]",
        &config.users,
        config.group.as_deref(),
        &team,
        &mut findings,
    );
    for (index, rule) in config.rules.iter().enumerate() {
        let title = format!("rule «{}»", rule.title(index));
        look_for(
            &title,
            &rule.users,
            rule.group.as_deref(),
            &team,
            &mut findings,
        );
    }
    if findings.is_empty() {
        return vec![Finding::good(summary(config, &team))];
    }
    findings.into_iter().map(Finding::bad).collect()
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

fn look_for(
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
