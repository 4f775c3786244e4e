//! Whether alerts would be sent. None is.

use service_kit::doctor::Finding;
use service_kit::mail::{Mailer, SmtpConfig};

use crate::AlertsConfig;

/// Says who is told, and logs in at the mail server.
pub async fn alerts(config: &AlertsConfig, smtp: &SmtpConfig) -> Vec<Finding> {
    if !config.is_on() {
        return vec![Finding::good(
            "off: ALERT_WEBHOOK_URL and ALERT_EMAIL are unset, nobody is told when something goes wrong",
        )];
    }
    let mut findings = Vec::new();
    if !config.has_limits() {
        findings.push(
            Finding::warn("ALERT_FAILURES, ALERT_QUEUE_MINUTES and ALERT_RENEWALS are 0: nobody is told of anything")
                .remedy("remove one of them; each has a default"),
        );
    }
    if config.posts() {
        findings.push(Finding::good(if config.is_signed() {
            "they are posted to ALERT_WEBHOOK_URL, signed"
        } else {
            "they are posted to ALERT_WEBHOOK_URL, unsigned (ALERT_WEBHOOK_SECRET is unset)"
        }));
    }
    if config.sends_email() {
        findings.push(Finding::good("they are sent to ALERT_EMAIL"));
        findings.extend(mail_server(smtp).await);
    }
    findings
}

/// Logs in at the mail server, if one is configured, and goes away.
pub async fn mail_server(smtp: &SmtpConfig) -> Option<Finding> {
    let (server, from) = smtp.server().zip(smtp.from())?;
    Some(match Mailer::new(server, from).login().await {
        Ok(()) => Finding::good("the mail server lets us in"),
        Err(failure) => Finding::bad(failure.reason())
            .remedy("look at SMTP_HOST, SMTP_PORT, SMTP_TLS, SMTP_USERNAME and SMTP_PASSWORD"),
    })
}
