//! What `lead-intake doctor` says about funnels. Nothing is sent.

use connection::doctor::mail_server;
use service_kit::doctor::Finding;

use super::whatsapp::Whatsapp;
use crate::App;

/// Logs in at the mail server, asks WhatsApp for the number, and tells how many funnels there are. Templates have been
/// checked with the configuration.
pub(crate) async fn check(app: &App) -> Vec<Finding> {
    let config = app.config();
    let Some(funnels) = &config.funnels else {
        return vec![Finding::good(
            "off: INTAKE_FUNNELS is unset, clients get no messages",
        )];
    };
    let steps: usize = funnels.list.iter().map(|funnel| funnel.steps.len()).sum();
    let mut findings = vec![Finding::good(format!(
        "{} funnels with {steps} messages can be used",
        funnels.list.len()
    ))];
    if funnels.sends_email() {
        findings.extend(mail_server(&config.smtp).await);
    }
    if funnels.sends_whatsapp() {
        let api = config
            .whatsapp
            .messages_url()
            .zip(config.whatsapp.token.as_ref())
            .and_then(|(url, token)| Whatsapp::new(url, token));
        let outcome = match &api {
            None => Err("WHATSAPP_TOKEN cannot be used".to_owned()),
            Some(api) => api
                .check()
                .await
                .map_err(|failure| failure.reason().to_owned()),
        };
        findings.push(match outcome {
            Ok(()) => Finding::good("WhatsApp's Cloud API knows our number"),
            Err(reason) => {
                Finding::bad(reason).remedy("look at WHATSAPP_TOKEN and WHATSAPP_PHONE_NUMBER_ID")
            }
        });
        if config.whatsapp.app_secret.is_none() || config.whatsapp.verify_token.is_none() {
            findings.push(Finding::warn("answers by WhatsApp are not heard").remedy(
                "set WHATSAPP_APP_SECRET and WHATSAPP_VERIFY_TOKEN, and subscribe the webhook",
            ));
        }
    }
    findings
}
